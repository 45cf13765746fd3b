"""The list of contents says what is on the page."""

from photograft.reporting.contents import Part, list_contents

PAGE = """
<section id="outside"><h2>Not in a part</h2></section>
<div class="part" id="use"><p class="question">Can I
  use it?</p><p>text</p>
<section id="a"><h2>First &amp; <small>best</small></h2><h2>no second heading</h2></section>
<section><h2>without id</h2></section>
<section id="튤립"><details><summary><h2>노란 튤립</h2></summary></details></section></div>
<div class="part" id="empty"><p class="question">Nothing?</p></div>
"""


def test_names_every_section_of_every_part_once() -> None:
    sections = [("a", "First & best"), ("튤립", "노란 튤립")]
    assert list_contents(PAGE) == [Part("use", "Can I use it?", sections)]

"""`photograft search`: parse, build or ask an index of photos, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from photograft.cli import console
from photograft.cli.choosing import Assignments
from photograft.cli.cluster import On
from photograft.cli.language import Language

if TYPE_CHECKING:
    from photograft.workflow.search_change import Change

PARTIAL = 6

app = typer.Typer(help="Make an index of photos, and find those that are like a photo.")

Index = Annotated[Path, typer.Argument(metavar="INDEX", help="Folder of the index.")]
Photos = Annotated[
    list[str], typer.Argument(metavar="PHOTOS...", help="Folders (of class folders or not), archives, tables, files.")
]
NoLabels = Annotated[bool, typer.Option("--no-labels", help="Read no labels from class folders or tables.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@app.command()
def build(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Run or bundle folder, or the name of a backbone.")],
    photos: Photos,
    index: Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder of the index; it is made.")],
    px: Annotated[
        int | None, typer.Option("--px", min=64, max=1024, help="Side of the input, for a backbone; else 224.")
    ] = None,
    no_labels: NoLabels = False,
    on: On = None,
    assignments: Assignments = None,
    json_output: JsonOutput = False,
) -> None:
    """Make an index hold these photos. Photos that it knows are not computed again, wherever they were moved.

    With --on every photo is computed anew.
    """
    settings, labels = assignments or [], not no_labels
    if on is None:
        from photograft.workflow.search_build import build_index

        change = build_index(model, photos, index, px=px, labels=labels, settings=settings, narrator=console)
    else:
        from photograft.scaling.cluster import parse_on
        from photograft.scaling.search import build_index_on

        on_cluster = parse_on(on)
        change = build_index_on(
            on_cluster, model, photos, index, px=px, labels=labels, settings=settings, narrator=console
        )
    _print(change, json_output=json_output)


@app.command()
def add(
    index: Index,
    photos: Photos,
    no_labels: NoLabels = False,
    assignments: Assignments = None,
    json_output: JsonOutput = False,
) -> None:
    """Add photos to an index, or look again at some of its photos. What was removed before comes back."""
    from photograft.workflow.search_build import add_photos

    change = add_photos(index, photos, labels=not no_labels, settings=assignments or [], narrator=console)
    _print(change, json_output=json_output)


@app.command()
def remove(
    index: Index,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Photos or folders, as the index names them or on the disk.")
    ],
    json_output: JsonOutput = False,
) -> None:
    """Take photos out of an index, with vectors and thumbnails. The files themselves are left alone."""
    from photograft.workflow.search_build import remove_photos

    _print(remove_photos(index, paths, narrator=console), json_output=json_output)


@app.command()
def update(index: Index, json_output: JsonOutput = False) -> None:
    """Look again where the photos of an index came from: new ones come, changed ones too, vanished ones go."""
    from photograft.workflow.search_build import update_index

    _print(update_index(index, narrator=console), json_output=json_output)


@app.command()
def merge(
    indexes: Annotated[list[Path], typer.Argument(metavar="INDEX...", help="Folders of indexes of one network.")],
    index: Annotated[Path, typer.Option("--index", metavar="DIR", help="Folder of the new index; it is made.")],
    apart: Annotated[
        bool, typer.Option("--apart", help="Copy nothing: leave the indexes where they are, to be asked together.")
    ] = False,
    json_output: JsonOutput = False,
) -> None:
    """Make one index of several, which answers as if it had been made of all their photos.

    Of a file that changed between them, the index that is named last counts.
    """
    from photograft.workflow.search_merge import merge_indexes

    _print(merge_indexes(indexes, index, apart=apart, narrator=console), json_output=json_output)


@app.command()
def query(
    index: Index,
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Files, folders, patterns.")],
    top: Annotated[int, typer.Option("--top", metavar="K", min=1, help="How many photos to name.")] = 10,
    label: Annotated[str | None, typer.Option("--label", metavar="NAME", help="Only photos with this label.")] = None,
    folder: Annotated[
        str | None, typer.Option("--folder", metavar="PATH", help="Only photos in this folder of the index.")
    ] = None,
    near_duplicates: Annotated[
        bool, typer.Option("--near-duplicates", help="Only photos that show the same picture, also turned.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with the photo and those like it.")
    ] = None,
    language: Annotated[
        Language, typer.Option("--language", help="Of the page; auto: as this computer speaks.")
    ] = Language.auto,
    json_output: JsonOutput = False,
) -> None:
    """Find the photos of an index that are most like a photo. Exit code 6 if some photos could not be used."""
    from photograft.data.inputs import expand_inputs
    from photograft.workflow.search import open_index
    from photograft.workflow.search_page import Question, answer_lines, ask, write_page

    question = Question(tuple(expand_inputs(photos)), top, label, folder, near_duplicates)
    with open_index(index, narrator=console) as opened:
        answers = ask(opened, question, narrator=console)
        document = answers.to_json()
        if html is not None:
            write_page(html, opened, answers, given=photos, language=language.value)
    if json_output:
        console.print_json(document)
    else:
        console.print_text("\n".join(answer_lines(document)))
    if html is not None:
        console.say(f"Page: {html}")
    rejected = sum(each["status"] == "rejected" for each in document["photos"])
    if rejected:
        asked = len(document["photos"])
        console.say(f"{rejected} of {asked} photo{'' if asked == 1 else 's'} could not be used; the rows say why.")
        raise typer.Exit(PARTIAL)


def _print(change: Change, *, json_output: bool) -> None:
    if json_output:
        console.print_json(change.to_json())
    else:
        console.print_text("\n".join(change.lines()))

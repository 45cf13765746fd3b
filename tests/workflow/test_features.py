from __future__ import annotations

from photograft.workflow.features import Estimate


def test_the_estimate_of_a_warm_run_tells_its_training_time() -> None:
    text = str(Estimate(n_photos=1500, n_new=0, n_measured=0, seconds=58.0, peak_mb=1234.0, training_s=58.0))
    assert text == "all 1,500 photos are in the cache: about 1 min 0 s, about 1.2 GB of memory"

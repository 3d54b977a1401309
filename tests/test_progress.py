from astro_assets.progress import LineProgress


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_lines_are_sparse_and_tell_rate_and_time_left():
    lines: list[str] = []
    clock = Clock()
    with LineProgress(lines.append, every_seconds=10, clock=clock).task(
        "tokenise", total=100, unit="papers"
    ) as task:
        for _ in range(10):
            clock.seconds += 2
            task.advance(5, month="2026-06")
    assert lines[0] == "tokenise: 25 of 100 papers · 2.5 papers/s · 30 s left · month 2026-06"
    assert len(lines) == 3
    assert lines[-1].endswith("20.0 s")


def test_a_task_that_did_nothing_says_nothing():
    lines: list[str] = []
    with LineProgress(lines.append).task("nothing", unit="x"):
        pass
    assert lines == []

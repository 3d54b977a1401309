import io

from rich.console import Console

from astro_assets.console.display import LiveDisplay, PlainDisplay, open_display


def test_a_pipe_gets_plain_lines_without_markup():
    out = io.StringIO()
    with open_display(Console(file=out)) as display:
        assert isinstance(display, PlainDisplay)
        display.say("[bold]a title with brackets[/]")
        with display.for_log(print).task("tokenise", total=2, unit="papers") as task:
            task.advance(2)
    assert "[bold]a title with brackets[/]" in out.getvalue()
    assert "tokenise: 2 of 2 papers" in out.getvalue()


def test_a_terminal_gets_a_bar_with_counts_rate_and_figures():
    console = Console(file=io.StringIO(), force_terminal=True, width=150)
    with open_display(console) as display:
        assert isinstance(display, LiveDisplay)
        with display.for_log(print).task("train [x]", total=2_000_000, unit="tokens") as task:
            task.advance(500_000, perplexity=12.5)
            bar = display._progress.tasks[0]
            assert bar.completed == 500_000
            assert bar.fields["counts"].startswith("500.0k/2.00M tokens")
            assert bar.fields["figures"] == "perplexity 12.5"
        assert display._progress.tasks == []
        display.say("done [not markup]")
    assert "done [not markup]" in console.file.getvalue()

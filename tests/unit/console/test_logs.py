from pathlib import Path

from uptainer.console.logs import bound, tail


def test_a_log_that_grew_too_large_is_moved_aside_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        bound(log, largest=50)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    assert (tmp_path / "server.log.1").read_bytes() == b"x" * 100


def test_a_small_log_and_a_missing_one_are_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    bound(log)
    log.write_text("short")
    bound(log)
    assert log.read_text() == "short"
    assert not (tmp_path / "server.log.1").exists()


def test_the_last_words_are_the_last_lines_that_say_something(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("one\ntwo\n\n  three  \n\n")
    assert tail(log, lines=2) == "two / three"

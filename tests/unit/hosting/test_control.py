"""Control sockets: whole messages, in order, and nobody waits."""

import pytest

from mlops.hosting import control


def test_messages_arrive_whole_and_apart() -> None:
    one, other = control.pair()
    with one, other:
        sent = [b"a", b"b" * control.MOST_BYTES, b"c"]
        assert all(control.send(one, content) for content in sent)
        assert control.receive(other) == sent
        assert control.receive(other) == []
        assert control.send(other, b"back")
        assert control.receive(one) == [b"back"]


def test_end_that_does_not_read_loses_messages_and_holds_nobody_up() -> None:
    one, other = control.pair()
    with one, other:
        sent = [control.send(one, b"x" * 1000) for _ in range(2000)]
        assert sent[0]
        assert not sent[-1]
        received: list[bytes] = []
        while messages := control.receive(other):
            assert len(messages) <= 64
            received += messages
        assert len(received) == sum(sent)
        assert control.send(one, b"again")


def test_end_that_is_gone_is_told_after_what_it_sent() -> None:
    one, other = control.pair()
    with other:
        control.send(one, b"last words")
        one.close()
        assert control.receive(other) == [b"last words"]
        assert control.receive(other) is None
        assert not control.send(other, b"to nobody")


@pytest.mark.parametrize("size", [0, control.MOST_BYTES + 1])
def test_message_that_is_empty_or_too_large_is_a_mistake(size: int) -> None:
    one, other = control.pair()
    with one, other, pytest.raises(ValueError, match="1 to 65536 bytes"):
        control.send(one, b"x" * size)

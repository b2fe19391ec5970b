"""A control socket: whole messages between the supervisor and a member, neither of which waits."""

import socket

MOST_BYTES = 64 * 2**10
"""Largest message."""

_MOST_AT_ONCE = 64
"""Messages taken in one go, so that a talkative end does not keep the other from all else."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends that keep messages apart and do not block."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return ends


def send(end: socket.socket, content: bytes) -> bool:
    """Send a message.

    Args:
        end: Own end.
        content: The message, 1 to 65,536 bytes.

    Returns:
        Whether it went out; not if the other end is gone or does not read.

    Raises:
        ValueError: It is empty or too large.
    """
    if not 0 < len(content) <= MOST_BYTES:
        raise ValueError(f"a message has 1 to {MOST_BYTES} bytes, not {len(content)}")
    try:
        end.send(content)
    except OSError:
        return False
    return True


def receive(end: socket.socket) -> list[bytes] | None:
    """Return the messages that have come, at most 64 of them; None if the other end is gone.

    Args:
        end: Own end.
    """
    messages: list[bytes] = []
    while len(messages) < _MOST_AT_ONCE:
        try:
            content = end.recv(MOST_BYTES)
        except BlockingIOError:
            break
        except OSError:
            content = b""
        if not content:  # a message is never empty, so this is the end
            return messages or None
        messages.append(content)
    return messages

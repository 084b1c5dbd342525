"""A line of waiters is first come, first served.

The position of each waiter in it is known.
"""

from hypothesis import given
from hypothesis import strategies as st

from eversince_async.governor.queue import Line
from eversince_async.governor.waiters import Waiter

MOVES = st.lists(
    st.one_of(
        st.sampled_from(["add", "add first", "pop", "clear"]),
        st.tuples(st.just("discard"), st.integers(0, 30)),
    ),
    max_size=60,
)


@given(MOVES)
def test_it_is_like_a_list(moves: list[str | tuple[str, int]]) -> None:
    line, model, everybody = Line[Waiter](), list[Waiter](), list[Waiter]()
    for move in moves:
        if move in {"add", "add first"}:
            waiter = Waiter(0.0)
            everybody.append(waiter)
            line.add(waiter, first=move == "add first")
            model.insert(0 if move == "add first" else len(model), waiter)
        elif move == "pop" and model:
            assert model.pop(0) is line.pop()
        elif move == "clear":
            line.clear()
            model.clear()
        elif isinstance(move, tuple) and everybody:
            leaving = everybody[move[1] % len(everybody)]
            assert (leaving in model) == line.discard(leaving)
            if leaving in model:
                model.remove(leaving)

        assert model == list(line)
        assert len(model) == len(line)
        assert list(range(len(model))) == [line.ahead_of(waiter) for waiter in model]
        assert all((waiter in line) == (waiter in model) for waiter in everybody)


def test_who_stands_in_no_line_has_nobody_ahead() -> None:
    line, other = Line[Waiter](), Line[Waiter]()
    first, second, stranger = Waiter(0.0), Waiter(0.0), Waiter(0.0)
    line.add(first)
    line.add(second)
    other.add(stranger)

    assert 1 == line.ahead_of(second)
    assert 0 == line.ahead_of(stranger)
    assert 0 == line.ahead_of(Waiter(0.0))

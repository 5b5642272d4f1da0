from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.logs.stack_traces import MAX_LINES, TraceJoiner


def joined(text: str, *, strict: bool = False) -> list[str]:
    joiner = TraceJoiner(strict=strict)
    return [part.decode() for part in (*joiner.feed(text.encode().split(b"\n")), *joiner.rest())]


def chained() -> str:
    error = ValueError("no x")
    error.__cause__ = raised(KeyError("x"))
    return text_of(raised(error))


def grouped() -> str:
    return text_of(raised(ExceptionGroup("both", [ValueError("one"), TypeError("two")])))


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def text_of(error: Exception) -> str:
    return "".join(traceback.format_exception(error)).rstrip("\n")


def syntax_error() -> str:
    try:
        compile("foo(", "x.py", "exec")
    except SyntaxError as error:
        return "".join(traceback.format_exception_only(error)).rstrip("\n")
    raise AssertionError("it compiles")


DUMP = (
    'Thread 0x01 (most recent call first):\n  File "a.py", line 1 in f\n\n'
    'Current thread 0x02 (most recent call first):\n  File "b.py", line 2 in g'
)
JAVA = "Exception in thread main java.lang.Error: x\n\tat A.b(A.java:1)\nCaused by: java.io.E\n\t... 3 more"
NODE = "TypeError: x is not a function\n    at f (a.js:1:2)\n    at g (b.js:3:4)"
THREAD = (
    'Exception in thread "main" java.lang.IllegalStateException: bad\nsecond line\n\tat T.f(T.java:1)\n'
    "\tSuppressed: java.io.E\n\t\tat T.g(T.java:2)\nCaused by: java.lang.RuntimeException: cause\n\t... 9 more"
)
GO = """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47b2fd]

goroutine 18 [running]:
main.f(...)
\t/srv/main.go:3
main.(*Server).handle.func1({0xc000012345, 0x2})
\t/srv/main.go:4 +0x5d
created by main.main in goroutine 1
\t/srv/main.go:4 +0x65

goroutine 1 [semacquire]:
sync.runtime_Semacquire(0xc000010a10?)
\t/usr/local/go/src/runtime/sema.go:62 +0x25
exit status 2"""
NODE_UNCAUGHT = """/srv/a.js:1
function inner() { throw Object.assign(new Error('boom'), {code: 'E_X'}) }
                   ^

Error: boom
    at inner (/srv/a.js:1:30)
    ... 5 lines matching cause stack trace ...
    at node:internal/main/run_main_module:28:49 {
  code: 'E_X',
  [cause]: TypeError: root
      at inner (/srv/a.js:1:56)
}

Node.js v20.20.2"""
NODE_PROPERTIES = """Error: logged
    at Object.<anonymous> (/srv/b.js:1:29)
    at node:internal/main/run_main_module:28:49 {
  code: 'E',
  detail: { a: 1 }
}"""
TRACES = {
    "java thread": THREAD,
    "go": GO,
    "node uncaught": NODE_UNCAUGHT,
    "node with properties": NODE_PROPERTIES,
    "chained": chained(),
    "grouped": grouped(),
    "syntax error": syntax_error(),
    "dump": DUMP,
    "java": JAVA,
    "node": NODE,
}


@pytest.mark.parametrize("name", TRACES)
def test_a_stack_trace_is_one_text_between_its_neighbours(name: str) -> None:
    assert joined(f"before\n{TRACES[name]}\nafter") == ["before", TRACES[name], "after"]
    if name != "node uncaught":  # which Node prints on standard error
        assert joined(f"before\n{TRACES[name]}\nafter", strict=True) == ["before", TRACES[name], "after"]


def test_on_standard_output_lists_and_tables_stay_lines() -> None:
    text = "services:\n  api\n  web\n/srv/app:80\n  { a: 1 }\n}"
    assert joined(text, strict=True) == text.split("\n")
    assert joined(text) == ["services:\n  api\n  web", "/srv/app:80\n  { a: 1 }", "}"]


def test_two_tracebacks_in_a_row_are_two_texts() -> None:
    assert joined(f"{chained()}\n{chained()}") == [chained(), chained()]


def test_lines_that_have_nothing_to_do_with_each_other_stay_apart() -> None:
    assert joined("one\ntwo\n\nthree") == ["one", "two", "", "three"]


def test_a_blank_line_after_a_traceback_does_not_belong_to_it() -> None:
    assert joined(f"{chained()}\n\nafter") == [chained(), "", "after"]


def test_a_structured_record_takes_no_indented_line() -> None:
    assert joined('{"level":50}\n  indented') == ['{"level":50}', "  indented"]


def test_the_last_line_is_held_back_until_the_next_one() -> None:
    joiner = TraceJoiner()
    assert joiner.feed([b"one"]) == []
    assert joiner.pending
    assert joiner.feed([b"two"]) == [b"one"]
    assert joiner.rest() == [b"two"]
    assert not joiner.pending


def test_endless_indentation_is_cut() -> None:
    joiner = TraceJoiner()
    assert len(joiner.feed([b" x"] * (MAX_LINES + 1))) == 1


@given(
    st.lists(st.sampled_from(["", " x", "x", "Traceback (most recent call last):", "{}", '  File "x"', "Caused by:"]))
)
def test_no_line_is_lost_or_moved(lines: list[str]) -> None:
    assert "\n".join(joined("\n".join(lines))) == "\n".join(lines)


@given(st.lists(st.text("ab \n{", max_size=6), max_size=8), st.integers(0, 30))
def test_it_does_not_matter_in_which_pieces_lines_come(parts: list[str], cut: int) -> None:
    lines = "\n".join(parts).encode().split(b"\n")
    joiner = TraceJoiner()
    done = [*joiner.feed(lines[:cut]), *joiner.feed(lines[cut:]), *joiner.rest()]
    assert [part.decode() for part in done] == joined("\n".join(parts))

"""`async def` tests: each runs in an event loop of its own, and may leave no task and no unheard exception behind.

The loop is uvloop's, as when the gateway serves; a module that says `BOTH_LOOPS = True` is run on asyncio's own as well.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

import pytest
import uvloop

_PATIENCE_S = 30.0  # far beyond what any test takes: a test that hangs should say where


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loops = [uvloop.new_event_loop, asyncio.new_event_loop] if getattr(pyfuncitem.module, "BOTH_LOOPS", False) else [uvloop.new_event_loop]
    for new_loop in loops:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_tidy(lambda: pyfuncitem.obj(**wanted)))
    return True


async def _tidy(test: Callable[[], Awaitable[None]]) -> None:
    unheard: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: unheard.append(f"{context['message']}: {context.get('exception')!r}"))
    async with asyncio.timeout(_PATIENCE_S):
        await test()
    for _ in range(5):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"
    assert not unheard, unheard


async def soon(condition: Callable[[], object]) -> None:
    """Let the event loop turn until something holds that nobody announces."""
    while not condition():
        await asyncio.sleep(0)

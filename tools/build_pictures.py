"""Take the pictures of the manual anew: the page for reviewers, with tickets that are made up. Wants a Chromium.

python tools/build_pictures.py [chromium]
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from pointsman.core.answer import Answer, Grade  # noqa: E402
from pointsman.core.labels import close  # noqa: E402
from pointsman.core.request import Caller  # noqa: E402
from pointsman.core.review import Action, Contents, Proposal  # noqa: E402
from pointsman.errors import Failure  # noqa: E402
from tests.browser.chromium import chromium  # noqa: E402
from tests.browser.desks import Desked, desked  # noqa: E402

PICTURE = ROOT / "docs" / "images" / "reviews.png"
MINUTE_NS = 60 * 10**9
QUESTION = (
    "My order 20417 was delivered on the 3rd with one lamp broken. I still have the packaging. "
    "Can I get a new one instead of my money back, and do I have to send the broken one to you first?"
)
ASKED = Contents(
    {
        "model": "support",
        "messages": [
            {
                "role": "system",
                "content": "You answer customers of a lamp shop. Follow the terms of return: 30 days, replacement or refund.",
            },
            {"role": "user", "content": QUESTION},
        ],
    },
    proposals=(
        Proposal(
            1,
            "small-inside",
            Answer("I am sorry to hear that. Please contact support for help with your order.", finish_reason="stop"),
            0.31,
            (Grade("refusal", 0.42, "points elsewhere instead of answering"), Grade("agreement", 0.2, "differs from call 2")),
            "below the threshold of 0.70",
        ),
        Proposal(
            2,
            "large-inside",
            Answer(
                "Yes, we can send a replacement: you are within the 30 days. You do not have to send the broken lamp first; "
                "please add a photo of it to order 20417, and keep the packaging until the new one has arrived.",
                finish_reason="stop",
            ),
            0.64,
            (
                Grade("refusal", 1.0, "nothing refused"),
                Grade("verifier", 0.58, "the photo is in no term of return"),
                Grade("repetition", 1.0),
            ),
            "below the threshold of 0.70, and no model is above it",
        ),
    ),
)


async def tickets(found: Desked) -> None:
    """A morning's queue."""
    now_ns = time.time_ns()
    plain = {"created_at_ns": now_ns - 22 * MINUTE_NS, "org": "lamps", "team": "care"}
    rows = (
        ("rev_71c2a9", "support", "low_confidence", 2, 38, ("pii",)),
        ("rev_0be4d1", "contracts", "approval", 1, 96, ("confidential",)),
        ("rev_c93f55", "support", "outage", 1, 171, ()),
        ("rev_5a08e7", "translate", "unmet_floor", 0, 233, ("internal",)),
        ("rev_e6d213", "support", "sample", 0, 1_310, ()),
    )
    for review, route, why, priority, minutes, labels in rows:
        more = {**plain, "route": route, "why": why, "priority": priority, "labels": close(labels), "task": "support", "key": "k_shop"}
        failures = (Failure("tiny-inside", "timeout", 504, 0),) if route == "support" else ()
        await found.opened(review, ASKED, **more, deadline_at_ns=now_ns + minutes * MINUTE_NS + 10**9, failures=failures)
    await found.desk.store.act("rev_0be4d1", Action("claim"), Caller("rvw7kq2m4xpa", role="reviewer"), now_ns)


async def main(program: str) -> None:
    """Everything at once, for it is one picture."""
    with tempfile.TemporaryDirectory() as folder:
        async with desked(Path(folder)) as found, chromium(program, Path(folder) / "profile") as browser:
            await tickets(found)
            page = await browser.page(1100, 940)
            await page.call("Emulation.setLocaleOverride", locale="en-GB")
            await page.call("Emulation.setTimezoneOverride", timezoneId="UTC")
            await page.go(f"{found.url}#rev_71c2a9")
            await page.click("#key")
            await page.type(await found.reviewer())
            await page.press("Enter")
            await page.click('[data-deed="claim"]')
            await page.until("document.querySelector('[data-deed=release]')")
            await page.js("document.getElementById('status').textContent = '', document.activeElement.blur()")
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_bytes(await page.picture())
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    found = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "chromium")
    sys.exit("no Chromium is found: install it, or name it") if found is None else asyncio.run(main(found))

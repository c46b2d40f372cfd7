"""Headless Chromium, driven by its DevTools protocol (chromedevtools.github.io/devtools-protocol) over one WebSocket.

Real keys and real clicks, as a person's: what a page does with them is the browser's doing.
"""

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
MISSING = (
    "The page is tested in Chromium, and there is none: install it (Debian and Ubuntu: apt-get install chromium), or "
    "name the program of one in CHROMIUM."
)
SECONDS = 30
_KEYS = {
    "Enter": (13, "\r"),
    "Tab": (9, ""),
    "Home": (36, ""),
    "End": (35, ""),
    "ArrowLeft": (37, ""),
    "ArrowRight": (39, ""),
    "Space": (32, " "),
}
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-default-apps", "--mute-audio", "--hide-scrollbars", "--lang=en-US", "--remote-debugging-port=0"),
    # No name is looked up, whatever a page or the browser itself might ask for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


class Browser:
    """One browser; each page of it has cookies and storage of its own."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    @classmethod
    @asynccontextmanager
    async def started(cls) -> AsyncIterator["Browser"]:
        """A browser that ends with the block."""
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        assert program, MISSING
        async with (
            _process(program) as address,
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=0) as socket,
        ):
            browser = cls(socket)
            reading = asyncio.create_task(browser._read())
            try:
                yield browser
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def page(self, width: int, height: int, *, dark: bool = False, zone: str = "Europe/Berlin") -> "Page":
        """A new page, as nobody has used it before."""
        context = (await self.send("Target.createBrowserContext", {"disposeOnDetach": True}))["browserContextId"]
        made = await self.send("Target.createTarget", {"url": "about:blank", "browserContextId": context})
        attached = await self.send("Target.attachToTarget", {"targetId": made["targetId"], "flatten": True})
        page = Page(self, attached["sessionId"], context)
        self._pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Network", "Log"):
            await page.send(f"{domain}.enable")
        await page.size(width, height)
        await page.send("Emulation.setTimezoneOverride", {"timezoneId": zone})
        await page.send("Emulation.setFocusEmulationEnabled", {"enabled": True})
        await page.scheme(dark=dark)
        return page

    async def send(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> Any:
        """Say something, and wait for what is answered."""
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        said = {"id": number, "method": method, "params": params or {}}
        await self._socket.send_json(said | ({"sessionId": session} if session else {}))
        told = await asyncio.wait_for(answer, SECONDS)
        assert "error" not in told, (method, told.get("error"))
        return told["result"]

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._waiting.pop(told["id"]).set_result(told)
            elif told.get("sessionId") in self._pages:
                self._pages[told["sessionId"]].heard(told["method"], told["params"])


class Page:
    """One page: what it does is noted.

    Attributes:
        troubles: what went to the console as an error, exceptions, breaches of the content security policy.
        requests: every address that it asked for.
    """

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser, self._session, self._context = browser, session, context
        self.troubles: list[str] = []
        self.requests: list[str] = []
        self._happened = asyncio.Event()

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """Something happened."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
            self.troubles.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.troubles.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    async def send(self, method: str, params: dict[str, Any] | None = None) -> Any:
        return await self._browser.send(method, params, self._session)

    async def go(self, url: str) -> None:
        told = await self.send("Page.navigate", {"url": url})
        assert not told.get("errorText"), told
        await self.wait("document.readyState === 'complete'")

    async def reload(self) -> None:
        await self.evaluate("window.isOld = true")
        await self.send("Page.reload")
        await self.wait("!window.isOld && document.readyState === 'complete'")

    async def close(self) -> None:
        await self._browser.send("Target.disposeBrowserContext", {"browserContextId": self._context})

    async def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.send("Emulation.setDeviceMetricsOverride", metrics)

    async def scheme(self, *, dark: bool, still: bool = False) -> None:
        motion = "reduce" if still else "no-preference"
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        await self.send("Emulation.setEmulatedMedia", {"features": features})

    async def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        told = await self.send("Runtime.evaluate", asked)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def wait(self, condition: str) -> None:
        """Wait until an expression is true: the page itself looks again and again."""
        look = f"""new Promise((done, fail) => {{
            const over = setTimeout(() => fail(new Error("never true")), {SECONDS * 900});
            const isSo = () => {{ try {{ return {condition}; }} catch {{ return false; }} }};
            const look = () => isSo() ? (clearTimeout(over), done(true)) : setTimeout(look, 10);
            look();
        }})"""
        try:
            await self.evaluate(look)
        except AssertionError as error:
            if "Inspected target navigated" not in str(error) and "context was destroyed" not in str(error):
                raise AssertionError(f"it was never so: {condition}; {self.troubles}") from error
            await self.wait(condition)

    async def text(self, selector: str) -> str:
        return str(await self.evaluate(f"document.querySelector({selector!r}).innerText"))

    async def fill(self, selector: str, text: str) -> None:
        """Focus a field and type into it."""
        await self.evaluate(f"document.querySelector({selector!r}).focus()")
        await self.evaluate(f"document.querySelector({selector!r}).select?.()")
        await self.send("Input.insertText", {"text": text})

    async def press(self, *keys: str) -> None:
        for key in keys:
            code, text = _KEYS[key]
            about = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code, "text": text}
            await self.send("Input.dispatchKeyEvent", about | {"type": "keyDown" if text else "rawKeyDown"})
            await self.send("Input.dispatchKeyEvent", about | {"type": "keyUp", "text": ""})

    async def click(self, selector: str) -> None:
        await self.evaluate(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center'}})")
        box = await self.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", at | {"type": kind})

    async def screenshot(self, *, whole: bool = False) -> bytes:
        """A PNG of what is seen, or of the whole page."""
        shot = await self.send("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        return base64.b64decode(shot["data"])

    def elsewhere(self, origin: str) -> list[str]:
        """The requests that left an origin."""
        inside = {"data", "blob", "about"}
        return [url for url in self.requests if not url.startswith(f"{origin}/") and urlsplit(url).scheme not in inside]


@asynccontextmanager
async def _process(program: str) -> AsyncIterator[str]:
    """A browser's process, and the address where it listens: it says it on stderr."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        options = (*_OPTIONS, f"--user-data-dir={home}", "about:blank")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            program, *options, stderr=pipe, stdout=asyncio.subprocess.DEVNULL
        )
        assert process.stderr is not None
        try:
            async with asyncio.timeout(SECONDS):
                async for line in process.stderr:
                    if b"DevTools listening on " in line:
                        break
                else:
                    raise AssertionError("Chromium ended before it listened.")
            draining = asyncio.create_task(process.stderr.read())
            yield line.decode().rpartition(" ")[2].strip()
            draining.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

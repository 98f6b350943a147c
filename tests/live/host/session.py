"""A session as a notebook's user sees it: cells go in, and what they came to is looked at."""

from __future__ import annotations

import ast
import re
from typing import Any

import httpx

Result = dict[str, Any]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Session:
    """A session of a server, by its name; its first cell starts its kernel."""

    def __init__(self, client: httpx.Client, name: str) -> None:
        self.name = name
        self._client = client

    def run(self, code: str, **fields: Any) -> Result:
        """Run a cell and return its result, whatever it came to."""
        response = self._client.post(
            f"/sessions/{self.name}/execute", json={"code": code, **fields}
        )
        assert response.status_code == 200, response.text
        result: Result = response.json()
        return result

    def succeed(self, *cells: str) -> Result:
        """Run cells that must all succeed, and return the result of the last."""
        result: Result = {}
        for code in cells:
            result = self.run(code)
            assert result["status"] == "success", (code, result["error"], result["stderr"])
        return result

    def value(self, *cells: str) -> Any:
        """The value, a literal, of the last expression of the last of some cells."""
        text = self.succeed(*cells)["return_value"]
        assert text is not None, f"{cells[-1]!r} has no value"
        return ast.literal_eval(text)

    def fail(self, *cells: str) -> Result:
        """Run cells of which the last must raise, and return the error."""
        self.succeed(*cells[:-1])
        result = self.run(cells[-1])
        assert result["status"] == "error", result
        error: Result = result["error"]
        return error

    def interrupt(self) -> bool:
        """Interrupt what runs; whether anything did."""
        response = self._client.post(f"/sessions/{self.name}/interrupt")
        assert response.status_code == 200, response.text
        return bool(response.json()["interrupted"])

    def restart(self) -> None:
        """Give it a new process."""
        self._client.post(f"/kernels/{self.name}/restart").raise_for_status()

    def destroy(self) -> None:
        """End it, if it was ever begun."""
        response = self._client.delete(f"/sessions/{self.name}")
        assert response.status_code in (200, 404), response.text


def plain_traceback(error: Result) -> str:
    """An error's traceback without its colours."""
    return _COLOUR.sub("", "\n".join(error["traceback"]))

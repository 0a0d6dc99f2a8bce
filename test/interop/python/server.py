"""A small MCP server with the official Python SDK: `server.py` over stdio, `server.py PORT` over Streamable HTTP on loopback."""

import sys
from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel

server = MCPServer("interop-python", version="1.0.0", log_level="ERROR")


class Name(BaseModel):
    name: str


def ask() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


@server.tool(description="Adds two integers", structured_output=False)
def add(a: int, b: int) -> str:
    return str(a + b)


@server.tool(description="Repeats its arguments", structured_output=False)
def echo(text: str, number: int) -> str:
    return f"{text}|{number}"


@server.tool(description="Reports progress before it answers", structured_output=False)
async def slow_progress(steps: int, ctx: Context) -> str:
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps, f"step {step}")
    return f"{steps} steps done"


@server.tool(description="Asks for a name and greets it", structured_output=False)
def ask_name(answer: Annotated[Name, Resolve(ask)]) -> str:
    return f"Hello, {answer.name}!"


@server.tool(description="Always fails", structured_output=False)
def fail() -> str:
    raise ToolError("failed on purpose")


@server.resource("interop://greeting", name="greeting", mime_type="text/plain")
def greeting() -> str:
    return "Grüße aus dem Server ✓"


@server.prompt(name="greet", description="A greeting")
def greet(name: str) -> str:
    return f"Say hello to {name}."


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run()

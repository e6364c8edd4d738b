"""Guards the tools of an MCP server: one question to the service for each call of a tool.

```python
from agentadmit.mcp import ToolGuard, auth_ctx

guard = ToolGuard({"list_notes": "notes:read", "add_note": "notes:write"})

server = MCPServer("notes")  # of the package `mcp`
guard.protect(server)
```

A tool that the map does not name is refused. Over streamable HTTP a call carries its token in
`Authorization`; on STDIO the token stands in the environment of the server (`AGENTADMIT_TOKEN`, or
a file that `AGENTADMIT_TOKEN_FILE` names). Nothing here needs the package `mcp` but `protect`.
"""

from __future__ import annotations

from agentadmit.mcp.guard import ToolGuard, auth_ctx
from agentadmit.mcp.refusals import ToolRefusedError

__all__ = ["ToolGuard", "ToolRefusedError", "auth_ctx"]

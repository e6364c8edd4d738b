"""The MCP server that is measured: one tool, with a guard where `BENCH_GUARDED` is set."""

import os

from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("orders", log_level="WARNING")

if os.environ.get("BENCH_GUARDED"):
    from agentadmit.mcp import ToolGuard, auth_ctx

    ToolGuard({"orders": "read:orders"}).protect(server)

    @server.tool()
    async def orders() -> str:
        """The tool, guarded."""
        return auth_ctx.get().user["user_id"]
else:

    @server.tool()
    async def orders() -> str:
        """The tool as it was before."""
        return "alice"


# without a session each call stands alone, as a route does; the host of the load is not this one
app = server.streamable_http_app(
    stateless_http=True,
    json_response=True,
    transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
)

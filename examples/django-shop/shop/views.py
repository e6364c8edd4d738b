"""What the shop's own pages ask for, and agents too."""

from django.http import HttpRequest, JsonResponse
from django.views import View
from django.views.decorators.http import require_GET, require_POST

from agentadmit.integrations.django_integration import (
    get_current_user_or_agent,
    open_to_agents,
    require_scope_if_agent,
)
from shop.models import Order


@require_GET
@require_scope_if_agent("read:orders")
@get_current_user_or_agent
def list_orders(request: HttpRequest) -> JsonResponse:
    """Your orders."""
    orders = Order.objects.filter(customer=request.user).order_by("pk")
    shown = [{"order_id": it.pk, "what": it.what, "status": it.status} for it in orders]
    return JsonResponse(shown, safe=False)


@require_POST
@require_scope_if_agent("read:orders", "write:orders")
@get_current_user_or_agent
def cancel_order(request: HttpRequest, order_id: int) -> JsonResponse:
    """Cancels one of your orders."""
    orders = Order.objects.filter(pk=order_id, customer=request.user)
    if not orders.update(status="cancelled"):
        return JsonResponse({"error": "no such order"}, status=404)
    return JsonResponse({"order_id": order_id, "status": "cancelled"})


@open_to_agents
@get_current_user_or_agent
class WhoAmI(View):
    """Whose account this is, and who asks."""

    async def get(self, request: HttpRequest) -> JsonResponse:
        """Whose account this is, and who asks."""
        auth_ctx = request.agentadmit
        return JsonResponse(
            {"user": auth_ctx["user"].get_username(), "asked_by": auth_ctx["type"]}
        )

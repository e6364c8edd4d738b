"""Where everything is."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.urls import include, path

from shop.views import WhoAmI, cancel_order, list_orders

urlpatterns = [
    path("", include("agentadmit.integrations.django_integration.urls")),
    path("admin/", admin.site.urls),
    path("login", LoginView.as_view(template_name="login.html"), name="login"),
    path("api/orders", list_orders),
    path("api/orders/<int:order_id>/cancel", cancel_order),
    path("api/me", WhoAmI.as_view()),
]

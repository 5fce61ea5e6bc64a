"""The HTTP application."""

import svcs
from fastapi import FastAPI
from shared.http import build_app

from campaigns.routes import audiences, campaigns, results, revenue, templates
from campaigns.settings import Settings


def create_app(registry: svcs.Registry, settings: Settings) -> FastAPI:
    return build_app(
        registry,
        settings=settings,
        title="Campaigns",
        audience="campaigns",
        description="Audiences, pacing, outcomes, and what they earned.",
        routers=[
            campaigns.router,
            audiences.router,
            results.router,
            templates.router,
            revenue.router,
            revenue.campaign_router,
        ],
    )

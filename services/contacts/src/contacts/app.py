"""The HTTP application of contacts."""

import svcs
from fastapi import FastAPI
from shared.http import build_app

from contacts.routes import audience, contacts, imports, lists, properties
from contacts.settings import ContactsSettings


def create_app(registry: svcs.Registry, settings: ContactsSettings) -> FastAPI:
    return build_app(
        registry,
        settings=settings,
        title="Contacts",
        audience="contacts",
        description="People, their phones, properties, lists and imports.",
        routers=[
            contacts.router,
            properties.router,
            lists.router,
            lists.tags_router,
            imports.router,
            audience.router,
        ],
    )

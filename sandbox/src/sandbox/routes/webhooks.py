"""Managing webhooks on both surfaces."""

from sandbox import queries
from sandbox.payloads import dated_webhook, delivery_body, v1_webhook
from sandbox.routes.edge import Answer, Call, Handler, operation
from sandbox.routes.lists import newest_first_page
from sandbox.services.webhooks import WebhookService
from sandbox.signing import Scheme

LEGACY_CREATES = (
    "createMessageWebhook_v1",
    "createCallWebhook_v1",
    "createCallSummaryWebhook_v1",
    "createCallTranscriptWebhook_v1",
)


def _creating() -> Handler:
    async def create(call: Call) -> Answer:
        webhook = await (await call.needs(WebhookService)).subscribe(Scheme.LEGACY, call.body)
        return Answer(201, {"data": v1_webhook(webhook)})

    return create


for _operation_id in LEGACY_CREATES:
    operation(_operation_id)(_creating())


@operation("listWebhooks_v1")
async def list_webhooks(call: Call) -> Answer:
    """Those of one user only: the workspace's owner, unless another is named."""
    user_id = call.query.get("userId", call.workspace.owner.id)
    mine = [w for w in call.workspace.webhooks if w.scheme is Scheme.LEGACY and w.user_id == user_id]
    return Answer(200, {"data": [v1_webhook(webhook) for webhook in mine]})


@operation("getWebhookById_v1")
async def get_webhook(call: Call) -> Answer:
    webhook = await (await call.needs(WebhookService)).get(Scheme.LEGACY, call.path["id"])
    return Answer(200, {"data": v1_webhook(webhook)})


@operation("deleteWebhookById_v1")
async def delete_webhook(call: Call) -> Answer:
    await (await call.needs(WebhookService)).delete(Scheme.LEGACY, call.path["id"])
    return Answer(204)


@operation("createWebhook_dated")
async def create_dated_webhook(call: Call) -> Answer:
    webhook = await (await call.needs(WebhookService)).subscribe(Scheme.DATED, call.body)
    return Answer(201, {"data": dated_webhook(webhook, shows_key=True)})


@operation("listWebhooks_dated")
async def list_dated_webhooks(call: Call) -> Answer:
    dated = [webhook for webhook in call.workspace.webhooks if webhook.scheme is Scheme.DATED]
    return Answer(200, {"data": [dated_webhook(webhook) for webhook in dated]})


@operation("getWebhook_dated")
async def get_dated_webhook(call: Call) -> Answer:
    webhook = await (await call.needs(WebhookService)).get(Scheme.DATED, call.path["id"])
    return Answer(200, {"data": dated_webhook(webhook)})


@operation("updateWebhook_dated")
async def update_dated_webhook(call: Call) -> Answer:
    webhook = await (await call.needs(WebhookService)).update(call.path["id"], call.body)
    return Answer(200, {"data": dated_webhook(webhook)})


@operation("deleteWebhook_dated")
async def delete_dated_webhook(call: Call) -> Answer:
    await (await call.needs(WebhookService)).delete(Scheme.DATED, call.path["id"])
    return Answer(204)


@operation("rotateWebhook_dated")
async def rotate_dated_webhook(call: Call) -> Answer:
    webhook = await (await call.needs(WebhookService)).rotate(call.path["id"])
    return Answer(200, {"data": dated_webhook(webhook, shows_key=True)})


@operation("listDeliveries_dated")
async def list_deliveries(call: Call) -> Answer:
    webhook = await (await call.needs(WebhookService)).get(Scheme.DATED, call.path["id"])
    statement = queries.deliveries_of(webhook.id)
    return await newest_first_page(call, statement, queries.DELIVERY_ORDER, delivery_body)


@operation("getDelivery_dated")
async def get_delivery(call: Call) -> Answer:
    webhooks = await call.needs(WebhookService)
    delivery = await webhooks.get_delivery(call.path["id"], call.path["deliveryId"])
    return Answer(200, {"data": delivery_body(delivery)})


@operation("retryDelivery_dated")
async def retry_delivery(call: Call) -> Answer:
    webhooks = await call.needs(WebhookService)
    delivery = await webhooks.retry_delivery(call.path["id"], call.path["deliveryId"])
    return Answer(202, {"data": delivery_body(delivery)})


@operation("testWebhook_dated")
async def test_webhook(call: Call) -> Answer:
    webhooks = await call.needs(WebhookService)
    delivery = await webhooks.send_test(call.path["id"], call.body["eventType"])
    return Answer(202, {"data": delivery_body(delivery)})

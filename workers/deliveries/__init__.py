"""Deliveries to webhooks, in one asyncio loop per worker process."""

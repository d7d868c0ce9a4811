"""A day of an agent, by Python's MCP client: python3 mcp_client.py URL ERA, with the agent's token in TOKEN."""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def call(client, tool, **arguments):
    """The structured answer of a tool; ends the program if the tool refuses."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, f"{tool}: {result.content}"
    assert json.loads(result.content[0].text) == result.structured_content, "the text says the same"
    return result.structured_content


async def work(client):
    tools = (await client.list_tools()).tools
    assert len(tools) == 9, [tool.name for tool in tools]
    assert all(tool.input_schema["additionalProperties"] is False for tool in tools)

    operations = [
        {"operation": "insert", "collection": "leads", "docId": name, "data": {"score": score, "name": name}}
        for name, score in (("ada", 7), ("bob", 3))
    ]
    written = await call(client, "write", operations=operations)
    described = await call(client, "describe_data")
    assert described["collections"][0]["count"] == 2, described
    found = await call(client, "query", collection="leads", where={"score": {"$gt": 5}}, order=["-score"], count=True)
    assert [doc["_id"] for doc in found["docs"]] == ["ada"] and found["count"] == 1, found

    refused = await client.call_tool("query", {"collection": "notes"})
    assert refused.is_error and "forbidden" in refused.content[0].text, refused

    undone = await call(client, "undo", changeSet=written["changeSet"])
    assert undone["documents"] == 2, undone
    assert (await call(client, "query", collection="leads"))["docs"] == []


async def main(url, era):
    headers = {"Authorization": "Bearer " + os.environ["TOKEN"]}
    async with httpx2.AsyncClient(headers=headers, timeout=120) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=era) as client:
            await work(client)
            print(client.protocol_version)


asyncio.run(main(*sys.argv[1:]))

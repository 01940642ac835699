"""A gateway as a Python team would write it today: FastAPI, a ``grpc.aio`` stub, and protobuf's ``json_format``."""

import os
from contextlib import asynccontextmanager

import bench_pb2
import bench_pb2_grpc
import grpc
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from google.protobuf import json_format
from google.rpc import error_details_pb2  # noqa: F401 - json_format must know the details
from grpc_status import rpc_status

STATUS = {3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 12: 501, 14: 503, 16: 401}


@asynccontextmanager
async def lifespan(app: FastAPI):
    options = [("grpc.max_receive_message_length", 64 << 20)]
    async with grpc.aio.insecure_channel(os.environ["BENCH_BACKEND"], options=options) as channel:
        app.state.stub = bench_pb2_grpc.BenchStub(channel)
        yield


app = FastAPI(lifespan=lifespan)


def answer(message) -> Response:
    return Response(json_format.MessageToJson(message, indent=None), media_type="application/json")


@app.exception_handler(json_format.ParseError)
async def bad_json(_request: Request, error: json_format.ParseError) -> Response:
    return JSONResponse({"code": 3, "message": str(error), "details": []}, 400)


@app.exception_handler(grpc.aio.AioRpcError)
async def failed(_request: Request, error: grpc.aio.AioRpcError) -> Response:
    code = error.code().value[0]
    status = rpc_status.from_call(error)
    content = (
        {"code": code, "message": error.details(), "details": []}
        if status is None
        else json_format.MessageToDict(status)
    )
    return JSONResponse(content, STATUS.get(code, 500))


@app.post("/v1/echo")
async def say(request: Request) -> Response:
    message = json_format.Parse(await request.body(), bench_pb2.Echo())
    return answer(await app.state.stub.Say(message, timeout=15))


@app.get("/v1/shelves/{shelf}/books")
async def find(shelf: int, author: str = "", page_size: int = 0) -> Response:
    message = bench_pb2.Search(shelf=shelf, author=author, page_size=page_size)
    return answer(await app.state.stub.Find(message, timeout=15))


@app.get("/v1/orders/{order_id}")
async def get_order(order_id: int) -> Response:
    return answer(await app.state.stub.GetOrder(bench_pb2.GetOrderRequest(order_id=order_id), timeout=15))


@app.post("/v1/orders")
async def place_order(request: Request) -> Response:
    message = json_format.Parse(await request.body(), bench_pb2.Order())
    return answer(await app.state.stub.PlaceOrder(message, timeout=15))


@app.post("/v1/orders:check")
async def check_order(request: Request) -> Response:
    message = json_format.Parse(await request.body(), bench_pb2.Order())
    return answer(await app.state.stub.CheckOrder(message, timeout=15))


@app.get("/v1/books")
async def list_books(page_size: int = 0) -> Response:
    return answer(await app.state.stub.ListBooks(bench_pb2.ListBooksRequest(page_size=page_size), timeout=15))


@app.get("/v1/ticks")
async def watch(count: int = 0) -> Response:
    async def lines():
        async for message in app.state.stub.Watch(bench_pb2.WatchRequest(count=count)):
            yield json_format.MessageToJson(message, indent=None) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@app.get("/v1/blobs/{blob}")
async def download(blob: str) -> Response:
    body = await app.state.stub.Download(bench_pb2.DownloadRequest(blob=blob), timeout=15)
    return Response(body.data, media_type=body.content_type)


@app.get("/v1/missing/{name}")
async def fail(name: str) -> Response:
    return answer(await app.state.stub.Fail(bench_pb2.FailRequest(name=name), timeout=15))

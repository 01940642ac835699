// Command backend is the gRPC server behind every gateway of the benchmark.
//
// It must not be the bottleneck, so it never decodes: messages are bytes to it, and the answers that do not depend on
// the request are read from files once (-data, written by bench/messages.py). It says its port on standard output.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const service = "bench.v1.Bench"

// raw is a message that is left as it came.
type raw struct{ data []byte }

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*raw).data)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*raw).data = data.Materialize()
	return nil
}

type answer func(request []byte) ([]byte, error)

func echo(request []byte) ([]byte, error) { return request, nil }

func fixed(data []byte) answer {
	return func([]byte) ([]byte, error) { return data, nil }
}

// receipt gives Receipt{name, size}: the size of a message does not depend on how its maps are ordered.
func receipt(request []byte) ([]byte, error) {
	data := protowire.AppendTag(nil, 1, protowire.BytesType)
	data = protowire.AppendString(data, "orders/4711")
	data = protowire.AppendTag(data, 2, protowire.VarintType)
	return protowire.AppendVarint(data, uint64(len(request))), nil
}

func failure(data []byte) answer {
	var found spb.Status
	if err := proto.Unmarshal(data, &found); err != nil {
		log.Fatal(err)
	}
	err := status.FromProto(&found).Err()
	return func([]byte) ([]byte, error) { return nil, err }
}

func unary(name string, give answer) grpc.MethodDesc {
	handler := func(_ any, _ context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		request := new(raw)
		if err := dec(request); err != nil {
			return nil, err
		}
		data, err := give(request.data)
		if err != nil {
			return nil, err
		}
		return &raw{data}, nil
	}
	return grpc.MethodDesc{MethodName: name, Handler: handler}
}

func stream(name string, messages []*raw) grpc.StreamDesc {
	handler := func(_ any, call grpc.ServerStream) error {
		if err := call.RecvMsg(new(raw)); err != nil {
			return err
		}
		for _, message := range messages {
			if err := call.SendMsg(message); err != nil {
				return err
			}
		}
		return nil
	}
	return grpc.StreamDesc{StreamName: name, Handler: handler, ServerStreams: true}
}

func read(folder, name string) []byte {
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		log.Fatal(err)
	}
	return data
}

// split takes messages apart that stand one after the other, each after its length.
func split(data []byte) []*raw {
	var messages []*raw
	for len(data) > 0 {
		message, size := protowire.ConsumeBytes(data)
		if size < 0 {
			log.Fatal("the stream's file is cut short")
		}
		messages = append(messages, &raw{message})
		data = data[size:]
	}
	return messages
}

func main() {
	folder := flag.String("data", ".", "the folder with the answers")
	flag.Parse()
	description := grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			unary("Say", echo),
			unary("Find", echo),
			unary("CheckOrder", echo),
			unary("PlaceOrder", receipt),
			unary("GetOrder", fixed(read(*folder, "order.binpb"))),
			unary("ListBooks", fixed(read(*folder, "list.binpb"))),
			unary("Download", fixed(read(*folder, "blob.binpb"))),
			unary("Fail", failure(read(*folder, "failure.binpb"))),
		},
		Streams: []grpc.StreamDesc{stream("Watch", split(read(*folder, "ticks.binpb")))},
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxConcurrentStreams(10_000))
	server.RegisterService(&description, nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(server.Serve(listener))
}

"""Makes ``twistd grpcgw`` known. Every ``twistd`` of this installation imports this file, so it imports little."""

from twisted.application.service import ServiceMaker

grpcgw = ServiceMaker("twistedgw", "twistedgw.tap", "An API gateway from HTTP and JSON to gRPC.", "grpcgw")

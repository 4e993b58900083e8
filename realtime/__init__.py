"""The Realtime protocol, without I/O: no event loop, no sockets, no clock, no database."""

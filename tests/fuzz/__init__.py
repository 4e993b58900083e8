"""A structured fuzzer over every client event.

A case is a session in virtual time: the real runner, codec and machine, a
scripted engine whose reports come between the client's frames, and frames that
began valid and were mutated. The laws (`laws.py`) hold after each frame, and a
plain conversation works at the end of each case. A case that fails is shrunk.
"""

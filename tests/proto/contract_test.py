#!/usr/bin/env python3
"""contract.py notices every kind of break, and lets everything else pass.  Argument: path of protoc."""
import pathlib
import sys
import tempfile
import unittest

import contract

BASE = '''
syntax = "proto3";
package some.v1;
service Files {
  rpc Get(Request) returns (stream Response);
  rpc Put(stream Request) returns (Response);
}
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_A = 1;
  KIND_B = 2;
  reserved 5 to 7;
  reserved "KIND_OLD";
}
message Request {
  reserved 10, 20 to 29;
  reserved "gone";
  string name = 1;
  repeated uint32 sizes = 2;
  optional int32 level = 3;
  Kind kind = 4;
  map<int32, string> labels = 5;
  oneof choice {
    string left = 6;
    bytes right = 7;
  }
  message Inner {
    bool on = 1;
  }
  Inner inner = 8;
}
message Response {
  uint64 count = 1;
}
message Unused {}
enum Idle {
  IDLE_UNSPECIFIED = 0;
}
'''

# What is replaced, by what, and a part of the line that tells of it.
BREAKS = {
    'message removed': ('message Unused {}', '', 'message some.v1.Unused: removed'),
    'nested message removed': ('message Inner {\n    bool on = 1;\n  }\n  Inner inner = 8;', 'bool inner = 8;',
                               'message some.v1.Request.Inner: removed'),
    'enum removed': ('enum Idle', 'enum Lazy', 'enum some.v1.Idle: removed'),
    'service removed': ('service Files', 'service Stores', 'service some.v1.Files: removed'),
    'package renamed': ('package some.v1', 'package some.v2', 'service some.v1.Files: removed'),
    'field removed': ('string name = 1;', '', 'field 1: removed'),
    'field removed and reserved': ('string name = 1;', 'reserved 1;', 'field 1: removed'),
    'field renumbered': ('string name = 1;', 'string name = 9;', 'field 1: removed'),
    'field retyped': ('string name = 1;', 'bytes name = 1;', 'type TYPE_STRING became TYPE_BYTES'),
    'field of another message': ('Inner inner = 8;', 'Response inner = 8;', 'type .some.v1.Request.Inner became'),
    'nested field retyped': ('bool on = 1;', 'int32 on = 1;', 'message some.v1.Request.Inner: field 1: type'),
    'value of a map retyped': ('map<int32, string>', 'map<int32, bytes>', 'type TYPE_STRING became TYPE_BYTES'),
    'field renamed': ('string name = 1;', 'string title = 1;', 'name name became title'),
    'JSON name changed': ('string name = 1;', 'string name = 1 [json_name = "n"];', 'JSON name name became n'),
    'singular made repeated': ('string name = 1;', 'repeated string name = 1;', 'LABEL_REPEATED'),
    'presence given up': ('optional int32 level', 'int32 level', 'presence True became False'),
    'packing changed': ('sizes = 2;', 'sizes = 2 [packed = true];', 'packing False became True'),
    'taken out of a oneof': ('bytes right = 7;\n  }', '}\n  bytes right = 7;', 'oneof choice became none'),
    'moved into a oneof': ('string name = 1;', 'oneof title {\n    string name = 1;\n  }', 'oneof none became title'),
    'enum value removed': ('KIND_B = 2;', '', 'value KIND_B = 2: removed'),
    'enum value renumbered': ('KIND_B = 2;', 'KIND_B = 3;', 'value KIND_B: number 2 became 3'),
    'enum value renamed': ('KIND_B = 2;', 'KIND_C = 2;', 'value KIND_B = 2: removed'),
    'reserved number used': ('reserved 10, 20 to 29;', 'reserved 10; bool new = 25;',
                             'reserved numbers 20 to 29: given up, taken by new'),
    'reserved number given up': ('reserved 10, ', 'reserved ', 'reserved numbers 10 to 10: given up'),
    'reserved name given up': ('reserved "gone";', 'bool gone = 11;', 'reserved name gone: given up'),
    'reserved enum number used': ('reserved 5 to 7;', 'KIND_D = 7;',
                                  'reserved numbers 5 to 7: given up, taken by KIND_D'),
    'reserved enum name given up': ('reserved "KIND_OLD";', '', 'reserved name KIND_OLD: given up'),
    'rpc removed': ('rpc Get(Request) returns (stream Response);', '', 'rpc Get: removed'),
    'rpc renamed': ('rpc Get', 'rpc Fetch', 'rpc Get: removed'),
    'request of another type': ('rpc Get(Request)', 'rpc Get(Response)', 'request .some.v1.Request became'),
    'response of another type': ('returns (Response)', 'returns (Request)', 'response .some.v1.Response became'),
    'request made a stream': ('rpc Get(Request)', 'rpc Get(stream Request)', 'streaming of requests False became True'),
    'request no stream any more': ('rpc Put(stream', 'rpc Put(', 'streaming of requests True became False'),
    'response made a stream': ('returns (Response)', 'returns (stream Response)',
                               'streaming of responses False became'),
    'response no stream any more': ('returns (stream', 'returns (', 'streaming of responses True became False'),
}

ADDITIONS = {
    'field': ('string name = 1;', 'string name = 1;\n  string more = 9;'),
    'field of a oneof': ('bytes right = 7;', 'bytes right = 7;\n bool middle = 9;'),
    'enum value': ('KIND_B = 2;', 'KIND_B = 2;\n  KIND_C = 3;'),
    'rpc': ('rpc Get', 'rpc List(Request) returns (Response);\n  rpc Get'),
    'message': ('message Response', 'message More {}\nmessage Response'),
    'wider reserved range': ('20 to 29', '20 to 40'),
}



class ContractTest(unittest.TestCase):

    def check(self, old='', new=''):
        """Lines of the check when the first `old` in BASE is replaced by `new`."""
        self.assertIn(old, BASE)
        return contract.check(self.describe(BASE), self.describe(BASE.replace(old, new, 1)))

    def describe(self, text):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / 'some.proto').write_text(text)
            return contract.describe(folder, PROTOC)

    def test_every_kind_of_break_is_noticed(self):
        for name, (old, new, expected) in BREAKS.items():
            with self.subTest(name):
                found = self.check(old, new)
                self.assertTrue(any(expected in line for line in found), found)

    def test_additions_only_ask_for_an_update(self):
        for name, (old, new) in ADDITIONS.items():
            with self.subTest(name):
                found = self.check(old, new)
                self.assertEqual(len(found), 1)
                self.assertIn('update', found[0])

    def test_what_is_not_on_the_wire_is_free(self):
        self.assertEqual(self.check(), [])
        self.assertEqual(self.check('message Request', '// Of a file.\nmessage Request'), [])

    def test_another_syntax_is_noticed(self):
        old = self.describe('syntax = "proto3"; package p; message A {}')
        new = self.describe('syntax = "proto2"; package p; message A {}')
        self.assertEqual(contract.breaks(old, new), ['package p: syntax proto3 became proto2'])

    def test_a_message_may_move_to_another_file(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / 'a.proto').write_text('syntax = "proto3"; package p; message A {} message B {}')
            old = contract.describe(folder, PROTOC)
            (pathlib.Path(folder) / 'a.proto').write_text('syntax = "proto3"; package p; message A {}')
            (pathlib.Path(folder) / 'b.proto').write_text('syntax = "proto3"; package p; message B {}')
            self.assertEqual(contract.breaks(old, contract.describe(folder, PROTOC)), [])


if __name__ == '__main__':
    PROTOC = sys.argv.pop(1)
    unittest.main()

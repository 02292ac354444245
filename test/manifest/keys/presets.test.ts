import { expect, test } from 'vitest';
import { explainError, isSafePattern } from '../../../src/core/errors.ts';
import { errorPreset } from '../../../src/manifest/keys/presets.ts';

test.each([
  ['node', "Error: Cannot find module './queue'", "Cannot find module './queue'"],
  ['node', 'TypeError: x is not a function', 'TypeError: x is not a function'],
  ['node', 'TypeError [ERR_INVALID_ARG_TYPE]: The "path" argument', 'TypeError: The "path" argument'],
  ['python', "ModuleNotFoundError: No module named 'flask'", 'the Python module flask is not installed'],
  ['python', 'requests.exceptions.ConnectionError: refused', 'requests.exceptions.ConnectionError: refused'],
  ['python', "python3: can't open file '/x/app.py': [Errno 2]", 'python cannot open /x/app.py'],
  ['go', 'panic: runtime error: index out of range', 'panic: runtime error: index out of range'],
  [
    'go',
    'fatal error: all goroutines are asleep - deadlock!',
    'fatal error: all goroutines are asleep - deadlock!',
  ],
  ['java', 'Error: Unable to access jarfile app.jar', 'no jar file app.jar'],
  ['java', 'Exception in thread "main" java.lang.Error: no', 'java.lang.Error: no'],
  [
    'ruby',
    "a.rb:1:in `require': cannot load such file -- rack (LoadError)",
    'the Ruby library rack is not installed',
  ],
  ['ruby', "a.rb:1:in `<main>': no such thing (ArgumentError)", 'ArgumentError: no such thing'],
  ['rust', "thread 'main' panicked at src/main.rs:2:5:", 'panicked at src/main.rs:2:5:'],
  ['php', 'PHP Fatal error:  Allowed memory size exhausted', 'Allowed memory size exhausted'],
  ['shell', '/bin/sh: 1: nod: not found', 'the program nod was not found'],
  ['shell', 'bash: line 1: nod: command not found', 'the program nod was not found'],
  ['shell', 'sh: 1: ./x: Permission denied', './x may not be run or read'],
  ['port', 'Error: listen EADDRINUSE: address already in use :::8080', ':::8080 is already in use'],
  ['port', 'listen tcp :8080: bind: address already in use', ':8080 is already in use'],
  ['port', 'OSError: [Errno 98] Address already in use', 'a port it listens on is already in use'],
  ['network', 'Error: connect ECONNREFUSED 127.0.0.1:5432', 'nothing answers at 127.0.0.1:5432'],
  ['network', 'Error: getaddrinfo ENOTFOUND db', 'the host name db is not known'],
  ['disk', 'write error: No space left on device', 'the disk is full'],
  ['memory', 'std::bad_alloc: Cannot allocate memory', 'out of memory'],
])('%s makes "%s" readable', (name, line, message) => {
  const patterns = errorPreset(name) ?? [];
  expect(patterns.filter(({ match }) => !isSafePattern(match).ok)).toEqual([]);
  expect(explainError(['something before', line], patterns)).toBe(message);
});

test('what is no preset is undefined, also a name that every object has', () => {
  expect(errorPreset('nope')).toBeUndefined();
  expect(errorPreset('toString')).toBeUndefined();
});

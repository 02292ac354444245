/** What to say for an error code of the YAML parser. Its own messages may quote the file's text, ours never do. */
const MESSAGES: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias takes no tag and no anchor',
  BAD_ALIAS: 'this alias or anchor has no usable name',
  BAD_COLLECTION_TYPE: 'the tag does not fit what it stands before',
  BAD_DIRECTIVE: 'this `%` directive is not known; quote a value that begins with `%`',
  BAD_DQ_ESCAPE: 'unknown escape in a double-quoted text; use single quotes, or `\\\\` for a backslash',
  BAD_INDENT: 'the indentation does not fit what stands above',
  BAD_PROP_ORDER: 'an anchor or tag must stand right before the value it belongs to',
  BAD_SCALAR_START: 'a text cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'two `key: value` on one line; put the second on its own line, or quote a value that holds `: `',
  BLOCK_IN_FLOW: 'inside `[ ]` or `{ }` items are separated by commas, not by lines',
  IMPOSSIBLE: 'this is not valid YAML',
  KEY_OVER_1024_CHARS: 'a key may have at most 1,024 characters',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line and be followed by `:`',
  MULTIPLE_ANCHORS: 'a value has at most one anchor',
  MULTIPLE_TAGS: 'a value has at most one tag',
  RESOURCE_EXHAUSTION: 'this is too much for the YAML parser',
  TAB_AS_INDENT: 'tabs cannot indent YAML; use spaces',
  TAG_RESOLVE_FAILED: 'the tag does not fit its value',
  UNEXPECTED_TOKEN: 'this is not expected here',
};

/** A closed list of the parser's own texts, by how they begin, for the code that stands for many things. */
const MISSING: readonly (readonly [prefix: string, message: string])[] = [
  ['Missing closing', 'the closing quote is missing'],
  ['Implicit map keys', 'a `:` and a value are missing after this key'],
  ['Comments must', 'a comment needs a space before its `#`'],
  ['Missing space after', 'a space is missing after `:`'],
  ['Missing ,', 'a comma is missing before this'],
  ['Sequence item', 'a list item must begin with `- `'],
  ['Flow', 'the closing bracket is missing'],
  ['flow', 'the closing bracket is missing'],
];

export function syntaxMessage(code: string, original: string): string {
  const missing = MISSING.find(([prefix]) => original.startsWith(prefix));
  return missing?.[1] ?? MESSAGES[code] ?? 'something is missing here';
}

/** A cron expression often begins with what is an alias to YAML. */
export function syntaxHelp(line: string): string | undefined {
  return /(?:[:-]|[[{,])\s+\*(?![A-Za-z_])/.test(line)
    ? 'to YAML a `*` begins an alias; put a value that begins with it in quotes'
    : undefined;
}

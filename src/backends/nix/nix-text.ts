/** What the text of a Nix file says of the other files that evaluating it may read. */
export interface References {
  /** Paths as written, relative to the file. */
  readonly paths: readonly string[];
  /** Set where it may read any file of its flake; says by what. */
  readonly anything?: string;
}

/** A path of the language: something, a slash, something; with or without `./` in front. */
const PATH = /[A-Za-z0-9._+-]*(?:\/[A-Za-z0-9._+-]+)+/g;
/** A path whose rest is made up, such as `./hosts/${name}.nix`: its folder counts. */
const OPEN_PATH = /((?:[A-Za-z0-9._+-]+\/)*[A-Za-z0-9._+-]+)\/\$\{/g;
/** A path that is only the beginning of one: its folder counts. */
const BEGUN_PATH = /(?:[A-Za-z0-9._+-]+\/)+[A-Za-z0-9._+-]+\)*\s*\+(?!\+)/g;
/** Tells of its own place on disk, from which any path can be made; or leads out of a folder by a text. */
const OWN_PLACE = /__curPos|unsafeGetAttrPos|["}]\/\.\./;
/** What may be asked of `self` without reading a file. */
const OUTPUTS =
  /^\.(?:packages|devShells?|lib|legacyPackages|overlays?|checks|formatter|apps|nixosModules|nixosConfigurations)\b/;

/**
 * Reads more into a text than there is rather than less: comments and strings count like anything else, and where the
 * flake itself is handed on (`self`, or all inputs at once), it may read all of its files.
 */
export function referencesOf(text: string): References {
  const paths = [
    ...[...text.matchAll(PATH)].map(([path]) => path),
    ...[...text.matchAll(OPEN_PATH)].map(([, folder = '']) => folder),
    ...[...text.matchAll(BEGUN_PATH)].map(([path]) => folderOf(path)),
  ].filter((path) => !path.startsWith('/'));
  const anything = OWN_PLACE.test(text)
    ? 'it makes up paths of its own'
    : (usesSelf(text) ?? usesInputs(text));
  return { paths: [...new Set(paths)], ...(anything === undefined ? {} : { anything }) };
}

function folderOf(begun: string): string {
  return `${begun.slice(0, begun.lastIndexOf('/'))}/.`;
}

function usesSelf(text: string): string | undefined {
  for (const match of text.matchAll(/(?<![\w'-])self(?![\w'-])/g)) {
    const before = text.slice(0, match.index).trimEnd();
    const after = text.slice(match.index + 'self'.length);
    const isParameter = /(?:^|[^$])\{$|,$/.test(before) && /^\s*[,}]/.test(after);
    if (!isParameter && !OUTPUTS.test(after)) return 'it makes use of `self`';
  }
  return undefined;
}

/** The name that all inputs together are given, `self` among them. */
const ALL_INPUTS = [
  /@\s*([A-Za-z_][\w'-]*)/g,
  /([A-Za-z_][\w'-]*)\s*@/g,
  /\boutputs\s*=\s*([A-Za-z_][\w'-]*)\s*:/g,
];

function usesInputs(text: string): string | undefined {
  const names = ALL_INPUTS.flatMap((pattern) => [...text.matchAll(pattern)].map(([, name = '']) => name));
  for (const name of new Set(names)) {
    const quoted = name.replaceAll(/[$']/g, '\\$&');
    for (const match of text.matchAll(new RegExp(`(?<![\\w'.-])${quoted}(?![\\w'-])`, 'g'))) {
      const before = text.slice(0, match.index).trimEnd();
      const after = text.slice(match.index + name.length);
      const isName = before.endsWith('@') || /^\s*(@|:|=)/.test(after);
      if (!isName && !/^\.(?!self\b)[A-Za-z_]/.test(after)) return `it hands on all of \`${name}\``;
    }
  }
  return undefined;
}

/** Folders that a lock file names as inputs, as written there. Undefined where it cannot be read. */
export function lockedPaths(lock: string): readonly string[] | undefined {
  try {
    const json: unknown = JSON.parse(lock);
    const nodes = Object.values(field(json, 'nodes') ?? {});
    return nodes.flatMap((node) => {
      const locked = field(node, 'locked') ?? {};
      return locked['type'] === 'path' && typeof locked['path'] === 'string' ? [locked['path']] : [];
    });
  } catch {
    return undefined;
  }
}

function field(value: unknown, name: string): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found = (value as Record<string, unknown>)[name];
  return typeof found === 'object' && found !== null ? (found as Record<string, unknown>) : undefined;
}

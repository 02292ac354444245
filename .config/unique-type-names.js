import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const EXPORTED = /^export (?:declare )?(?:abstract )?(?:interface|type|class) (\w+)/gm;

/** Names come from a schema there, and one schema may call a thing as the code calls another. */
const GENERATED = '// Generated from ';

/**
 * The exported types of a folder: name -> the files that declare it. Read once for each process, and a file again where
 * it has changed since, so that an editor and the linting of one file see what there is.
 */
class TypeNames {
  #root;
  #files = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** Files besides `except` that export a type of this name, relative to the folder. */
  othersWith(name, except) {
    if (this.#files.size === 0) this.#scan();
    const others = [];
    for (const [file, known] of this.#files) {
      if (file !== except && known.names.has(name) && this.#namesOf(file).has(name))
        others.push(relative(this.#root, file));
    }
    return others.sort();
  }

  #scan() {
    for (const entry of readdirSync(this.#root, { recursive: true })) {
      if (entry.endsWith('.ts')) this.#namesOf(join(this.#root, entry));
    }
  }

  #namesOf(file) {
    const mtime = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
    const known = this.#files.get(file);
    if (known !== undefined && known.mtime === mtime) return known.names;
    const text = mtime === undefined ? GENERATED : readFileSync(file, 'utf8');
    const names = text.startsWith(GENERATED)
      ? new Set()
      : new Set([...text.matchAll(EXPORTED)].map(([, name]) => name));
    this.#files.set(file, { mtime, names });
    return names;
  }
}

const known = new Map();

/** Refuses two exported types (interfaces, aliases, classes) of one name anywhere below `root`. */
const rule = {
  meta: {
    type: 'problem',
    schema: [
      {
        type: 'object',
        properties: {
          root: { type: 'string' },
          /** Names that are to be told apart later. */
          except: { type: 'array', items: { type: 'string' } },
        },
        required: ['root'],
        additionalProperties: false,
      },
    ],
    messages: { taken: 'The name {{name}} is taken by an exported type of {{others}}: one thing, one name.' },
  },
  create(context) {
    const [{ root, except = [] }] = context.options;
    if (context.sourceCode.text.startsWith(GENERATED)) return {};
    let names = known.get(root);
    if (names === undefined) known.set(root, (names = new TypeNames(root)));
    return {
      ExportNamedDeclaration({ declaration }) {
        const isType = ['TSInterfaceDeclaration', 'TSTypeAliasDeclaration', 'ClassDeclaration'].includes(
          declaration?.type,
        );
        if (!isType || except.includes(declaration.id.name)) return;
        const { name } = declaration.id;
        const others = names.othersWith(name, context.filename);
        if (others.length === 0) return;
        context.report({
          node: declaration.id,
          messageId: 'taken',
          data: { name, others: others.join(', ') },
        });
      },
    };
  },
};

export default { rules: { 'unique-type-names': rule } };

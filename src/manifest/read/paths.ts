import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Text } from '../../core/service.ts';

/** A path of a manifest as an absolute one: `~` is the home folder, others are relative to the file that holds them. */
export function absolutePath(path: string, file: string, homeDir: string): string {
  if (path === '~') return homeDir;
  return path.startsWith('~/') ? join(homeDir, path.slice(2)) : resolve(dirname(file), path);
}

/** The same for a path with parts that are known later. */
export function absoluteText(text: Text, file: string, homeDir: string): Text {
  if (typeof text === 'string') return absolutePath(text, file, homeDir);
  const [head, ...rest] = text;
  if (typeof head !== 'string') return [`${dirname(file)}${sep}`, ...text];
  if (isAbsolute(head)) return text;
  const base = head.startsWith('~/') ? homeDir : dirname(file);
  return [`${base}${sep}${head.replace(/^(?:~\/|(?:\.\/)+)/, '')}`, ...rest];
}

/** A path as people know it: relative to the project's folder where it is inside. */
export function shortPath(path: string, dir: string): string {
  const short = relative(dir, path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}

import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeSync,
} from 'node:fs';

/** The file system of control groups, as far as it is used here. What throws throws errors with a `code`. */
export interface GroupFiles {
  /** Undefined where there is no such file or it may not be read. */
  read(path: string): string | undefined;
  /** Writes to a file that is there, in one go. */
  write(path: string, text: string): void;
  make(folder: string): void;
  /** Of an empty group only: the files in it are the kernel's and go with it. */
  remove(folder: string): void;
  /** Names of the folders in one; none where it cannot be looked into. */
  folders(folder: string): readonly string[];
  writable(path: string): boolean;
}

export const kernelFiles: GroupFiles = {
  read(path) {
    try {
      return readFileSync(path, 'latin1');
    } catch {
      return undefined;
    }
  },
  write(path, text) {
    // Some may be written by their owner, but not read.
    const fd = openSync(path, constants.O_WRONLY);
    try {
      writeSync(fd, text);
    } finally {
      closeSync(fd);
    }
  },
  make(folder) {
    mkdirSync(folder);
  },
  remove(folder) {
    rmdirSync(folder);
  },
  folders(folder) {
    try {
      return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
        entry.isDirectory() ? [entry.name] : [],
      );
    } catch {
      return [];
    }
  },
  writable(path) {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};

type ReadableFiles = Pick<GroupFiles, 'read'>;

/** The words of a file such as cgroup.controllers; none where it cannot be read. */
export function wordsIn(files: ReadableFiles, path: string): readonly string[] {
  return (files.read(path) ?? '').split(/\s+/).filter((word) => word !== '');
}

/** The number after a key in a file of lines `key number`, such as memory.events. */
export function counterIn(files: ReadableFiles, path: string, key: string): number | undefined {
  const line = files
    .read(path)
    ?.split('\n')
    .find((candidate) => candidate.startsWith(`${key} `));
  const value = Number(line?.slice(key.length + 1));
  return line === undefined || !Number.isFinite(value) ? undefined : value;
}

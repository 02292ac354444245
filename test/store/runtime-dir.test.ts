import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkRuntimeDir, prepareRuntimeDir, socketPathFor } from '../../src/store/runtime-dir.ts';

const uid = process.geteuid?.() ?? -1;
const KEY = '0123456789abcdef';
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rt-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

describe('the path of the socket', () => {
  it('is under XDG_RUNTIME_DIR', () => {
    expect(socketPathFor(KEY, { XDG_RUNTIME_DIR: root, TMPDIR: '/tmp' })).toBe(
      join(root, 'setpoint', `${KEY}.sock`),
    );
  });

  it.each([
    ['not set', () => undefined],
    ['relative', () => 'run'],
    ['missing', () => join(root, 'missing')],
    ['a file', () => (writeFileSync(join(root, 'file'), ''), join(root, 'file'))],
    ['too long for a socket', () => (mkdirSync(join(root, 'l'.repeat(90))), join(root, 'l'.repeat(90)))],
  ])('is under the temp dir where XDG_RUNTIME_DIR is %s', (_, runtime) => {
    expect(socketPathFor(KEY, { XDG_RUNTIME_DIR: runtime(), TMPDIR: root })).toBe(
      join(root, `setpoint-${uid}`, `${KEY}.sock`),
    );
  });

  it('never has more than 103 bytes, however long the folders and whatever letters they hold', () => {
    for (const letter of ['x', 'ü', '漢']) {
      for (let length = 1; length < 120; length += 1) {
        const folder = `/${letter.repeat(length)}`;
        const path = socketPathFor(KEY, { TMPDIR: folder });
        expect(Buffer.byteLength(path)).toBeLessThanOrEqual(103);
        expect(path.startsWith(`${folder}/`) || path.startsWith('/tmp/')).toBe(true);
      }
    }
  });
});

describe('the folder of the socket', () => {
  it('is made for its owner alone, and made only once', () => {
    const dir = join(root, 'setpoint');
    expect(checkRuntimeDir(dir)).toEqual({ ok: true, value: 'missing' });
    const before = process.umask(0o277);
    try {
      expect(prepareRuntimeDir(dir)).toEqual({ ok: true, value: undefined });
    } finally {
      process.umask(before);
    }
    expect(lstatSync(dir).mode & 0o777).toBe(0o700);
    expect(prepareRuntimeDir(dir)).toEqual({ ok: true, value: undefined });
    expect(checkRuntimeDir(dir)).toEqual({ ok: true, value: 'there' });
  });

  it('is refused while others can enter it', () => {
    const dir = join(root, 'setpoint');
    mkdirSync(dir);
    chmodSync(dir, 0o755);
    expect(prepareRuntimeDir(dir)).toEqual({
      ok: false,
      error: {
        code: 'open-to-others',
        message: `${dir} is open to other users (mode 0755)`,
        help: `chmod 700 ${dir}`,
      },
    });
  });

  it('is refused as a symbolic link, even to a good folder', () => {
    mkdirSync(join(root, 'good'), { mode: 0o700 });
    symlinkSync(join(root, 'good'), join(root, 'setpoint'));
    expect(prepareRuntimeDir(join(root, 'setpoint'))).toMatchObject({
      ok: false,
      error: { code: 'symlink' },
    });
  });

  it('is refused as a file', () => {
    writeFileSync(join(root, 'setpoint'), '');
    expect(prepareRuntimeDir(join(root, 'setpoint'))).toMatchObject({
      ok: false,
      error: { code: 'not-a-folder' },
    });
  });

  it.skipIf(uid !== 0)('is refused when it belongs to somebody else', () => {
    const dir = join(root, 'setpoint');
    mkdirSync(dir, { mode: 0o700 });
    chownSync(dir, 12345, 12345);
    expect(prepareRuntimeDir(dir)).toMatchObject({
      ok: false,
      error: { code: 'foreign-owner', message: `${dir} belongs to another user (uid 12345)` },
    });
  });

  it('cannot be made where its parent is missing', () => {
    expect(prepareRuntimeDir(join(root, 'no/setpoint'))).toMatchObject({
      ok: false,
      error: { code: 'refused' },
    });
  });
});

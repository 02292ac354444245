import { describe, expect, test } from 'vitest';
import { causeOf, nixFailure } from '../../../src/backends/nix/failure.ts';
import { locateFlake, installable } from '../../../src/backends/nix/flake-ref.ts';
import { lockedPaths, referencesOf } from '../../../src/backends/nix/nix-text.ts';

describe('what a Nix file refers to', () => {
  test('is nothing but its inputs in a usual flake', () => {
    const text = `{
      description = "web";
      inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.05";
      outputs = { self, nixpkgs }: let pkgs = nixpkgs.legacyPackages.x86_64-linux; in {
        devShells.x86_64-linux.default = pkgs.mkShell { packages = [ pkgs.nodejs ]; };
        packages.x86_64-linux.a = self.devShells.x86_64-linux.default;
      };
    }`;
    const { paths, anything } = referencesOf(text);
    expect(anything).toBeUndefined();
    // Texts that look like paths count as such; they are simply not there.
    expect(paths.filter((path) => path.startsWith('.'))).toEqual([]);
  });

  test.each([
    ['import ./shell.nix { }', './shell.nix'],
    ['callPackage ../nix/a.nix {}', '../nix/a.nix'],
    ['import nix/shell.nix', 'nix/shell.nix'],
    ['src = ./.;', './.'],
    ['src = ../.;', '../.'],
    ['"${./script.sh}"', './script.sh'],
    ['# import ./commented.nix', './commented.nix'],
    ['import ./hosts/${name}.nix', './hosts'],
    ['import ./${name}.nix', '.'],
    ['readFile (./nix + "/a.nix")', './.'],
    ['import (./sub/fo + "o.nix")', './sub/.'],
  ])('of %j: %s', (text, path) => {
    expect(referencesOf(text).paths).toContain(path);
  });

  test.each([
    'outputs = { self }: { src = self; }',
    'outputs = { self }: import "${self}/shell.nix"',
    'outputs = { self }: self + "/a"',
    'outputs = { self }: self.outPath',
    'outputs = { self, lib }: lib.mk { inherit self; }',
    'outputs = inputs: inputs.blueprint { inherit inputs; }',
    'outputs = { nixpkgs, ... }@inputs: nixpkgs.lib.mk inputs',
    'outputs = inputs@{ nixpkgs, ... }: import "${inputs.self}/a.nix"',
    'dirOf __curPos.file',
    'import "${toString ./nix}/../a.nix"',
  ])('may be anything in %j', (text) => {
    expect(referencesOf(text).anything).toEqual(expect.any(String));
  });

  test.each([
    'outputs = { nixpkgs, ... }@inputs: inputs.nixpkgs.lib',
    'outputs = inputs: { a = inputs.nixpkgs; }',
    'inputs = { nixpkgs.url = "x"; }; outputs = inputs@{ self, ... }: inputs.nixpkgs',
    'final: prev: { }',
    'outputs = { nixpkgs, self, }: nixpkgs',
    'myself.x + yourself',
  ])('is bounded in %j', (text) => {
    expect(referencesOf(text).anything).toBeUndefined();
  });

  test('are the folders that a lock file names as inputs', () => {
    const nodes = {
      root: { inputs: { a: 'a' } },
      a: { locked: { type: 'path', path: './a' } },
      b: { locked: { type: 'github', rev: 'x' } },
    };
    expect(lockedPaths(JSON.stringify({ nodes }))).toEqual(['./a']);
    expect(lockedPaths('not json')).toBeUndefined();
  });
});

describe('a flake reference', () => {
  test.each([
    ['/srv/app', { kind: 'local', dir: '/srv/app', asPath: false }],
    ['path:/srv/app', { kind: 'local', dir: '/srv/app', asPath: true }],
    ['path:/srv/a%20b', { kind: 'local', dir: '/srv/a b', asPath: true }],
    ['git+file:///srv/app', { kind: 'local', dir: '/srv/app', asPath: false }],
    ['git+file:///srv/app?dir=sub', { kind: 'moving' }],
    ['github:o/r', { kind: 'moving' }],
    ['nixpkgs', { kind: 'moving' }],
    ['github:o/r/0123456789012345678901234567890123456789', { kind: 'locked' }],
    ['github:o/r/branch', { kind: 'moving' }],
    ['git+https://x/y?ref=main&rev=abc', { kind: 'locked' }],
  ])('%s is %j', (flake, place) => {
    expect(locateFlake(flake)).toEqual({ ok: true, value: place });
  });

  test.each(['-x', '/srv/a#b', '/srv/a?b', 'a\0b'])('%j is refused', (flake) => {
    expect(locateFlake(flake)).toEqual({ ok: false, error: expect.any(String) as unknown });
  });

  test('names its default shell by naming none, for older flakes have it under another name', () => {
    expect(installable({ flake: '/a', shell: 'default' })).toBe('/a');
    expect(installable({ flake: '/a', shell: 'ci' })).toBe('/a#ci');
  });
});

describe('a failure of nix', () => {
  test('is told by its last error, without the trace above it', () => {
    const lines = [
      "warning: Git tree '/srv' is dirty",
      'error:',
      '       … while evaluating the attribute',
      '         at /nix/store/x/flake.nix:1:1:',
      '\u001b[31;1merror:\u001b[0m undefined variable \u001b[35mfoo\u001b[0m',
      '       at /nix/store/fq4mcracnfi6hizmvw6zh6hwqc2cs7md-source/flake.nix:3:7:',
      "(use '--show-trace' to show detailed location information)",
    ];
    expect(nixFailure('evaluating /srv', lines)).toEqual({
      code: 'nix-failed',
      message: 'evaluating /srv failed: undefined variable foo at flake.nix:3:7:',
    });
  });

  test.each([
    ["error: flake 'x' does not provide attribute 'y'", 'nix flake show'],
    [
      "error: getting status of '/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/flake.nix': No such file",
      'git add',
    ],
    ["error: unable to download 'https://x'", 'network'],
    ["error: experimental Nix feature 'flakes' is disabled", 'experimental features'],
    ["error: access to absolute path '/x' is forbidden in pure eval mode", 'nix.impure'],
  ])('%j comes with help: %s', (line, help) => {
    expect(nixFailure('x', [line]).help).toContain(help);
  });

  test('without a word says so, and a flood of words is cut', () => {
    expect(causeOf([])).toBe('it gave no reason');
    expect(causeOf([`error: ${'x'.repeat(9999)}`]).length).toBe(500 - 'error: '.length);
  });
});

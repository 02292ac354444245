// Finds members of interfaces, object types and classes in src that are of no use: nobody in src reads them, or they are
// optional and nobody ever sets them. Lists them, and ends with status 1 where there are any.
//
// What tests alone read is dead, too. It errs towards calling a member alive: where a value may pass as one of another
// type, reading it there counts. Not looked at: generated files, `#private` members (the compiler sees those), and whether
// the code that reads a member is reached itself (knip sees exports that nobody imports).
import { readdirSync, readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import process from 'node:process';
import ts from 'typescript';

const root = resolve(process.argv[2] ?? new URL('..', import.meta.url).pathname);
const src = `${root}/src/`;
const GENERATED = '// Generated from ';

/**
 * `writtenOut`: types that leave the process as text, for clients or for a later daemon, so that somebody else reads what
 * they are made of: `file`, or `file: Type`. `except`: `file: Type.member` of what is dead by these measures and stays, with
 * the reason.
 */
const settings = JSON.parse(readFileSync(`${root}/.config/dead-members.json`, 'utf8'));
const WRITTEN_OUT = new Set(settings.writtenOut);
const EXCEPT = new Map(Object.entries(settings.except));

const { config } = ts.readConfigFile(`${root}/tsconfig.json`, ts.sys.readFile);
const parsed = ts.parseJsonConfigFileContent({ ...config, include: ['src'] }, ts.sys, root);
const program = ts.createProgram(parsed.fileNames, { ...parsed.options, noEmit: true });
const checker = program.getTypeChecker();
const isOurs = (file) =>
  file.fileName.startsWith(src) && !file.isDeclarationFile && !file.text.startsWith(GENERATED);
const files = program.getSourceFiles().filter(isOurs);
const nameOf = (file) => relative(src, file.fileName);

/**
 * All members of types and classes, by the node that declares each. Those that a type or class with a name has are judged;
 * the others, of a parameter's type for one, only matter as what a value may pass as.
 */
const members = new Map();

/** `owner` is the type or class that is being declared; undefined within functions and what they take and give. */
function collect(node, owner) {
  const declares =
    ts.isTypeAliasDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node);
  if (declares && ts.isSourceFile(node.parent)) owner = node.name?.text;
  // A type that only picks others out of a union.
  const picks = ts.isTypeReferenceNode(node) && ['Extract', 'Exclude'].includes(node.typeName.getText());
  if (picks || ts.isFunctionLike(node) || ts.isBlock(node)) owner = undefined;
  const isMember =
    ts.isPropertySignature(node) ||
    ts.isMethodSignature(node) ||
    ts.isPropertyDeclaration(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isGetAccessor(node);
  if (isMember && !ts.isObjectLiteralExpression(node.parent)) {
    const name = ts.isIdentifier(node.name) || ts.isStringLiteral(node.name) ? node.name.text : undefined;
    const named = ownerOf(node);
    if (name !== undefined) {
      members.set(node, {
        label: named === undefined ? undefined : `${nameOf(node.getSourceFile())}: ${named}.${name}`,
        name,
        isOptional: node.questionToken !== undefined,
        read: false,
        written: false,
        claimed: false,
        writtenOut: false,
        reads: new Set(),
      });
    }
  }
  ts.forEachChild(node, (child) => collect(child, owner));

  function ownerOf(member) {
    if (ts.isMethodSignature(member) || ts.isMethodDeclaration(member) || ts.isGetAccessor(member)) {
      return ts.isSourceFile(member.parent.parent) ? member.parent.name?.text : undefined;
    }
    return owner;
  }
}

for (const file of files) collect(file);

/** Members by name: a value of one type may pass as one of another where that has a member of the same name. */
const byName = new Map();
for (const [node, { name }] of members) byName.set(name, [...(byName.get(name) ?? []), node]);

/** The member of a class whose body is being looked at: what it reads is read only if it is read itself. */
let reader;

function mark(symbol, how) {
  for (const declaration of symbol?.declarations ?? []) {
    const member = members.get(declaration);
    if (member === undefined) continue;
    if (how === 'read' && reader !== undefined) reader.reads.add(declaration);
    else member[how] = true;
  }
}

function constituents(type) {
  if (type.isUnionOrIntersection()) return type.types.flatMap(constituents);
  const constraint = type.isTypeParameter() ? checker.getBaseConstraintOfType(type) : undefined;
  return constraint === undefined ? [type] : constituents(constraint);
}

function markOf(type, name, how) {
  for (const one of constituents(type)) mark(checker.getPropertyOfType(one, name), how);
}

function markAll(type, how) {
  for (const one of constituents(type)) for (const each of checker.getPropertiesOfType(one)) mark(each, how);
}

/** All that a type is made of. */
function markDeep(type, how, seen = new Set()) {
  for (const one of constituents(type)) {
    if (seen.has(one)) continue;
    seen.add(one);
    for (const argument of checker.getTypeArguments(one) ?? []) markDeep(argument, how, seen);
    const index = one.getStringIndexType() ?? one.getNumberIndexType();
    if (index !== undefined) markDeep(index, how, seen);
    for (const property of checker.getPropertiesOfType(one)) {
      const node = property.declarations?.[0];
      if (node === undefined || !isOurs(node.getSourceFile())) continue;
      mark(property, how);
      markDeep(checker.getTypeOfSymbol(property), how, seen);
    }
  }
}

/** Whether an access is only what is assigned to. */
function isTarget({ parent }, node) {
  if (ts.isBinaryExpression(parent) && parent.left === node) {
    const { kind } = parent.operatorToken;
    if (kind === ts.SyntaxKind.EqualsToken) return true;
    const isCompound =
      kind >= ts.SyntaxKind.FirstCompoundAssignment && kind <= ts.SyntaxKind.LastCompoundAssignment;
    return isCompound && ts.isExpressionStatement(parent.parent);
  }
  if (!ts.isPrefixUnaryExpression(parent) && !ts.isPostfixUnaryExpression(parent)) return false;
  const steps = [ts.SyntaxKind.PlusPlusToken, ts.SyntaxKind.MinusMinusToken].includes(parent.operator);
  return steps && ts.isExpressionStatement(parent.parent);
}

/** Names that an object sets whose type nothing around it gives: it may become anything. */
const freelyWritten = new Set();

function visitObject(node) {
  const type = checker.getContextualType(node);
  for (const property of node.properties) {
    const { name, initializer, expression } = property;
    if (initializer !== undefined) relateValue(initializer);
    if (ts.isShorthandPropertyAssignment(property) && type !== undefined) {
      const asked = checker.getTypeOfPropertyOfContextualType(type, name.text);
      relate(checker.getTypeAtLocation(name), asked);
    }
    if (expression !== undefined && type !== undefined) relate(checker.getTypeAtLocation(expression), type);
    if (name === undefined) continue;
    if (ts.isComputedPropertyName(name)) {
      if (type !== undefined) markAll(type, 'written');
    } else if (type === undefined) freelyWritten.add(name.text);
    else if (constituents(type).some((one) => one.isTypeParameter())) freelyWritten.add(name.text);
    else markOf(type, name.text, 'written');
  }
}

function visitPattern(node) {
  const type = checker.getTypeAtLocation(node);
  for (const { propertyName, name, dotDotDotToken } of node.elements) {
    const key = propertyName ?? name;
    const isLeftOut = ts.isIdentifier(name) && name.text.startsWith('_');
    if (dotDotDotToken !== undefined || isLeftOut) continue;
    if (ts.isIdentifier(key) || ts.isStringLiteral(key)) markOf(type, key.text, 'read');
    else if (ts.isComputedPropertyName(key)) markAll(type, 'read');
  }
}

function visitElement(node) {
  const how = isTarget(node, node) ? 'written' : 'read';
  const type = checker.getTypeAtLocation(node.expression);
  const keys = constituents(checker.getTypeAtLocation(node.argumentExpression));
  for (const key of keys) {
    if (key.isStringLiteral()) markOf(type, key.value, how);
    else if (key.flags & (ts.TypeFlags.Index | ts.TypeFlags.TypeParameter)) markAll(type, how);
  }
}

/** From a member to those that it may pass as, of what was seen to be handed on. */
const passedAs = new Map();
const related = new Set();

/**
 * What is handed on as another type is read where that is; a package reads the members that it declares itself. `asked`:
 * the type that is expected.
 */
function relate(given, asked, depth = 0) {
  if (asked === undefined || asked === given || depth > MOST_LEVELS) return;
  const pair = `${given.id} ${asked.id}`;
  if (related.has(pair)) return;
  related.add(pair);
  const targets = constituents(asked);
  for (const one of constituents(given)) {
    const ofOne = argumentsOf(one);
    for (const target of targets) {
      const ofTarget = argumentsOf(target);
      if (ofOne.length === ofTarget.length) ofOne.forEach((each, i) => relate(each, ofTarget[i], depth + 1));
    }
    for (const property of checker.getPropertiesOfType(one)) {
      const own = property.declarations?.filter((declaration) => isOurs(declaration.getSourceFile())) ?? [];
      if (own.length === 0) continue;
      for (const target of targets) {
        const other = checker.getPropertyOfType(target, property.name);
        if (other === undefined || other === property) continue;
        for (const declaration of other.declarations ?? []) own.forEach((each) => passAs(each, declaration));
        relate(checker.getTypeOfSymbol(property), checker.getTypeOfSymbol(other), depth + 1);
      }
    }
  }
}

const MOST_LEVELS = 5;

function argumentsOf(type) {
  return type.target === undefined || type.symbol?.valueDeclaration?.kind === ts.SyntaxKind.ClassDeclaration
    ? []
    : (checker.getTypeArguments(type) ?? []);
}

function passAs(own, declaration) {
  if (declaration === own) return;
  const to = members.get(declaration);
  if (to !== undefined) to.written = true;
  const from = members.get(own);
  if (from === undefined) return;
  if (isOurs(declaration.getSourceFile()))
    passedAs.set(own, (passedAs.get(own) ?? new Set()).add(declaration));
  else if (reader === undefined) from.read = true;
  else reader.reads.add(own);
}

function relateValue(expression) {
  relate(checker.getTypeAtLocation(expression), checker.getContextualType(expression));
}

function visitCall(node) {
  const isEnumerated = /^Object\.(entries|values|keys)$|^JSON\.stringify$/.test(node.expression.getText());
  for (const argument of node.arguments ?? []) {
    if (isEnumerated) markAll(checker.getTypeAtLocation(argument), 'read');
    relateValue(argument);
  }
}

const UNTYPED = ts.TypeFlags.Any | ts.TypeFlags.Unknown;

/** Where text is taken for a type, all of that may have been set. */
function visitClaim(node) {
  const isClaim = ts.isAsExpression(node) || ts.isTypePredicateNode(node);
  if (!isClaim || node.type === undefined) return;
  const from = ts.isAsExpression(node) ? checker.getTypeAtLocation(node.expression) : undefined;
  const isFromText =
    from === undefined || (from.flags & UNTYPED) !== 0 || from.getStringIndexType() !== undefined;
  if (isFromText) markDeep(checker.getTypeFromTypeNode(node.type), 'claimed');
}

/** What implements a member is read where that is, and sets it; what implements one of a package is read there. */
const implementations = [];

function visitClass(node) {
  for (const { types } of node.heritageClauses ?? []) {
    for (const type of types) {
      const base = checker.getTypeAtLocation(type);
      for (const member of node.members) {
        const target = member.name && checker.getPropertyOfType(base, member.name.getText());
        if (target === undefined) continue;
        mark(target, 'written');
        for (const declaration of target.declarations ?? []) implementations.push([member, declaration]);
      }
    }
  }
}

function visit(node) {
  const outer = reader;
  const isPublic = members.has(node) && ts.isClassDeclaration(node.parent);
  if (isPublic && node.initializer === undefined) reader = members.get(node);
  visitNode(node);
  ts.forEachChild(node, visit);
  reader = outer;
}

function visitNode(node) {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.name)) {
    mark(checker.getSymbolAtLocation(node.name), isTarget(node, node) ? 'written' : 'read');
  } else if (ts.isElementAccessExpression(node)) visitElement(node);
  else if (ts.isObjectLiteralExpression(node)) visitObject(node);
  else if (ts.isObjectBindingPattern(node)) visitPattern(node);
  else if (ts.isCallExpression(node) || ts.isNewExpression(node)) visitCall(node);
  else if (ts.isClassDeclaration(node)) visitClass(node);
  else if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword) {
    if (ts.isStringLiteralLike(node.left))
      markOf(checker.getTypeAtLocation(node.right), node.left.text, 'read');
  } else if (ts.isReturnStatement(node) && node.expression !== undefined) relateValue(node.expression);
  else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) relateValue(node.body);
  else if (ts.isVariableDeclaration(node) && node.initializer !== undefined && node.type !== undefined)
    relateValue(node.initializer);
  else visitClaim(node);
}

for (const file of files) {
  visit(file);
  for (const node of file.statements) {
    if (node.name === undefined || !(ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)))
      continue;
    const isOut = [nameOf(file), `${nameOf(file)}: ${node.name.text}`].some((label) =>
      WRITTEN_OUT.has(label),
    );
    if (isOut) markDeep(checker.getTypeAtLocation(node.name), 'writtenOut');
  }
}

/** Until nothing changes: a member is read where one is that its value may pass as, and by a member that is read. */
function follow() {
  for (let changed = true; changed;) {
    changed = false;
    for (const [node, member] of members) {
      if (!member.read && isReadElsewhere(node, member)) member.read = true;
      if (!(member.read || member.writtenOut) || member.isFollowed === true) continue;
      member.isFollowed = true;
      for (const each of member.reads) members.get(each).read = true;
      changed = true;
    }
  }
}

function isReadElsewhere(node, { name }) {
  const bases = implementations.filter(([own]) => own === node).map(([, base]) => base);
  if ([...bases, ...(passedAs.get(node) ?? [])].some((other) => members.get(other)?.read ?? true))
    return true;
  const type = checker.getTypeAtLocation(node.parent);
  return (byName.get(name) ?? []).some((other) => {
    if (other === node || !members.get(other).read) return false;
    const target = checker.getTypeAtLocation(other.parent);
    return target !== type && checker.isTypeAssignableTo(type, target);
  });
}

follow();

/** Words that tests set as members, roughly: limits that only tests shorten are set there. */
const setByTests = new Set();
for (const entry of readdirSync(`${root}/test`, { recursive: true })) {
  if (!/\.(ts|mjs)$/.test(entry)) continue;
  for (const [, word] of readFileSync(`${root}/test/${entry}`, 'utf8').matchAll(/\b(\w+)\s*[:,}]/g))
    setByTests.add(word);
}

/** Whether somebody may set it: of what is written out, only our own code counts. */
function isSet({ name, written, claimed, writtenOut }) {
  return written || freelyWritten.has(name) || (!writtenOut && (claimed || setByTests.has(name)));
}

/** What only this file knows of may be the shape of something foreign. */
const isForeign = (node) => {
  const statement = ts.findAncestor(node, ({ parent }) => ts.isSourceFile(parent));
  return !(ts.getCombinedModifierFlags(statement) & ts.ModifierFlags.Export);
};

const unread = [];
const unset = [];
for (const [node, member] of members) {
  const { label, isOptional, read, writtenOut } = member;
  if (label === undefined || EXCEPT.delete(label)) continue;
  if (!read && !writtenOut) unread.push(label);
  else if (isOptional && !isSet(member) && !isForeign(node)) unset.push(label);
}
const say = (title, labels) => {
  if (labels.length > 0) process.stdout.write(`${title}\n${labels.map((label) => `  ${label}\n`).join('')}`);
};
say('Nobody in src reads:', unread);
say('Nobody in src sets:', unset);
say('Not dead, or not there, so no exception is needed:', [...EXCEPT.keys()]);
process.exitCode = unread.length + unset.length + EXCEPT.size > 0 ? 1 : 0;

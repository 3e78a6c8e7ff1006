import type { A_Const, Node } from 'libpg-query';

/** A literal's value as text. */
export function constant(value: A_Const): string {
  if (value.sval) return value.sval.sval ?? '';
  if (value.ival) return String(value.ival.ival ?? 0);
  if (value.fval) return value.fval.fval ?? '';
  if (value.boolval) return String(value.boolval.boolval ?? false);
  return '';
}

/** True for an argument that is a plain literal, maybe with a cast. */
export function isLiteral(node: Node): boolean {
  if ('A_Const' in node) return true;
  return 'TypeCast' in node && node.TypeCast.arg !== undefined && isLiteral(node.TypeCast.arg);
}

/** The text of a name's parts. */
export function nameParts(nodes: readonly Node[]): readonly string[] {
  return nodes.map((node) => ('String' in node ? (node.String.sval ?? '') : ''));
}

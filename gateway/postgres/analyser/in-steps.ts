import { Lexer, type SqlToken, toBytes } from '#src/statement/sql/lexer.ts';
import { NotResolved, type TreeNode, TreeReader, parseTrees } from '#src/statement/sql/nodetree.ts';

/** Characters; what is shorter is read at once. */
const short = 32_768;
// A step takes a few milliseconds, and then whoever else waits gets a turn.
const tokensAStep = 5_000;
const treeTokensAStep = 20_000;
const mostTokens = 1_000_000;

/** The tokens of a long text; undefined for a short one. */
export async function tokensOf(text: string): Promise<readonly SqlToken[] | undefined> {
  if (text.length <= short) return undefined;
  const lexer = new Lexer(toBytes(text));
  while (!lexer.step(tokensAStep)) {
    if (lexer.found.length > mostTokens) throw new NotResolved('the statement has too many words');
    // oxlint-disable-next-line no-await-in-loop
    await turn();
  }
  return lexer.found;
}

/** The target's analysed tree. Throws NotResolved. */
export async function treesOf(text: string): Promise<readonly TreeNode[]> {
  if (text.length <= short) return parseTrees(text);
  const reader = new TreeReader(text);
  // oxlint-disable-next-line no-await-in-loop
  while (!reader.step(treeTokensAStep)) await turn();
  await turn();
  return reader.trees;
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

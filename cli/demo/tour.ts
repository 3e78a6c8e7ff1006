import type { Facts } from './facts.ts';

/**
 * What to do next, in at most ten lines that can be pasted into a shell at the root of the clone. An interactive zsh
 * takes a comment for words, so none may hold a quote or an operator, and none may follow a command that reads words.
 */
export function tour(facts: Facts, file: string): string {
  const { host, port, database } = facts.postgres;
  return [
    `# Countersign runs. Console: ${facts.console}   People and tokens: ${file}   Stop: Ctrl-C`,
    '# Paste into a second terminal, in this folder:',
    `token() { node -p "JSON.parse(fs.readFileSync('${file}')).people.$1.\${2:-token}"; }`,
    `shop() { PGPASSWORD=$(token $1) psql "host=${host} port=${port} user=$1@example.com dbname=${database}" -c "$2"; }`,
    'shop engineer "select * from customers limit 5"   # masked, as security clear, as stranger refused',
    `shop engineer "update orders set status='refunded' where id=42"   # waits for a second person`,
    '# In a third terminal, or in the console: choose Sign in with the demo, then pick Approver',
    'npx countersign requests --as approver',
    'npx countersign requests approve ID --as approver',
    '# Without psql: npx countersign query shop "select * from orders where id=42" --as engineer',
  ].join('\n');
}

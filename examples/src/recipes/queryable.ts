import type { QueryResult, QueryResultRow } from 'pg'

/** The pool or the client of a transaction. */
export interface Queryable {
  query<R extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<R>>
}

export async function balanceOf(db: Queryable, owner: string): Promise<number | undefined> {
  const text = 'select balance from account where owner = $1'
  const { rows } = await db.query<{ balance: number }>(text, [owner])
  return rows[0]?.balance
}

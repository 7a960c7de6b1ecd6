import { passwordTries, unknownNetworkTries } from '../../domain/accounts.ts';
import { account } from '../../domain/deadlines.ts';
import type { Sql } from './client.ts';

export type SignInFailureStore = ReturnType<typeof createSignInFailureStore>;

/** All networks from which the user never signed in, together. */
const others = '*';

/**
 * Slows guessing down, alike for addresses that somebody has and for those that nobody has. A network that the user
 * has signed in from is counted alone, so that failures elsewhere do not lock the user out.
 */
export function createSignInFailureStore(sql: Sql) {
  const isKnown = async (email: string, network: string): Promise<boolean> => {
    const rows = await sql`
      select 1 from known_networks k join users u on u.id = k.user_id
      where u.email = ${email} and k.network = ${network}
        and k.seen_at > now() - ${account.knownNetwork} * interval '1 millisecond'`;
    return rows.length > 0;
  };

  const count = async (email: string, network: string, tries: number): Promise<void> => {
    const { initial, maximum } = account.lockout;
    await sql`
      insert into sign_in_failures as f (email, network, failures, updated_at) values (${email}, ${network}, 1, now())
      on conflict (email, network) do update set
        failures = case when f.updated_at < now() - ${account.failureMemory} * interval '1 millisecond'
          then 1 else f.failures + 1 end,
        blocked_until = case when f.failures + 1 >= ${tries} then now() + interval '1 millisecond' *
          least(${initial}::float8 * power(2, least(f.failures + 1 - ${tries}, 20)), ${maximum}) end,
        updated_at = now()`;
  };

  return {
    /** Seconds until this network may try this address again; 0: now. */
    async secondsToWait(email: string, network: string): Promise<number> {
      const networks = (await isKnown(email, network)) ? [network] : [network, others];
      const [row] = await sql<{ seconds: number }[]>`
        select coalesce(ceil(extract(epoch from max(blocked_until) - now())), 0)::int as seconds
        from sign_in_failures where email = ${email} and network in ${sql(networks)}`;
      return Math.max(0, row!.seconds);
    },

    async failed(email: string, network: string): Promise<void> {
      await count(email, network, passwordTries);
      if (!(await isKnown(email, network))) await count(email, others, unknownNetworkTries);
    },

    async succeeded(userId: string, email: string, network: string): Promise<void> {
      await sql`delete from sign_in_failures where email = ${email} and network = ${network}`;
      await sql`
        insert into known_networks (user_id, network, seen_at) values (${userId}, ${network}, now())
        on conflict (user_id, network) do update set seen_at = now()`;
    },

    async removeOld(): Promise<void> {
      await sql`
        delete from sign_in_failures where updated_at < now() - ${account.failureMemory} * interval '1 millisecond'`;
    },
  };
}

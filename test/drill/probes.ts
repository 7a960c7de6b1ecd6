// Whether a server answers, asked on a fresh connection.
import { Connection } from '@temporalio/client';
import { connectPostgres } from '../../stores/postgres/client.ts';

export function probesOf(servers: {
  databaseUrl: string;
  temporalAddress: string;
  elasticsearchUrl: string;
}) {
  return {
    async postgres(): Promise<boolean> {
      const sql = connectPostgres(servers.databaseUrl, { poolSize: 1, applicationName: 'drill-probe' });
      try {
        await sql`select 1`;
        return true;
      } finally {
        await sql.end({ timeout: 1 });
      }
    },

    async elasticsearch(): Promise<boolean> {
      const url = `${servers.elasticsearchUrl}/_cluster/health?wait_for_status=yellow&timeout=1s`;
      const response = await fetch(url, { signal: AbortSignal.timeout(3_000) });
      await response.arrayBuffer();
      return response.ok;
    },

    async temporal(): Promise<boolean> {
      const connection = await Connection.connect({
        address: servers.temporalAddress,
        connectTimeout: 1_000,
      });
      try {
        await connection.workflowService.describeNamespace({ namespace: 'default' });
        return true;
      } finally {
        await connection.close();
      }
    },
  };
}

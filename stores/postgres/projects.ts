import { type Project, projectSettings } from '../../domain/projects.ts';
import type { Query, Sql } from './client.ts';

export type ProjectStore = ReturnType<typeof createProjectStore>;

export function createProjectStore(sql: Sql) {
  return {
    async get(projectId: string): Promise<Project | undefined> {
      const [row] = await sql<{ id: string; name: string; settings: unknown }[]>`
        select id, name, settings from projects where id = ${projectId} and active`;
      return row && { ...row, settings: projectSettings.parse(row.settings) };
    },

    /** Creates the project, or leaves the one with this id as it is. */
    async create(project: { id: string; name: string; settings: unknown }): Promise<void> {
      await sql`
        insert into projects (id, name, settings)
        values (${project.id}, ${project.name}, ${asJson(sql, projectSettings.parse(project.settings))})
        on conflict (id) do nothing`;
    },
  };
}

/** A JSON parameter. The library's type for JSON excludes interfaces, which are JSON all the same. */
export function asJson(sql: Query, value: unknown) {
  return sql.json(value as Parameters<Query['json']>[0]);
}

// What widget/build.ts puts into the sources.
declare module '*.css' {
  const text: string;
  export default text;
}
/** The name of the panel's module. */
declare const PANEL_FILE: string;

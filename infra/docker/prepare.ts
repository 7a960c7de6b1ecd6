// What the image's build prepares, so that a container starts without a download or a bundling: the embedding model
// the workflows' bundle and the widget.
import { readConfig } from '../../config.ts';
import { createLogger, temporalLogger } from '../../logging.ts';
import { widgetFiles } from '../../widget/build.ts';
import { workflowBundle } from '../../worker/bundle.ts';
import { download } from '../local/download.ts';
import { openFolders } from '../local/folders.ts';

const { FRONTDESK_HOME: home } = readConfig();
const onProgress = (line: string) => console.log(line);
await download(openFolders(home, onProgress), ['model'], { onProgress });
const logger = temporalLogger(createLogger({ name: 'build', level: 'warn' }));
console.log((await workflowBundle(`${home}/cache`, logger)).codePath);
await widgetFiles(`${home}/cache`);

// The brand's colour, adjusted until text on it and text in it can be read.

/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number];

export interface Palette {
  /** A surface in the brand's colour, and what is written on it. */
  brand: string;
  onBrand: string;
  /** Text and lines in the brand's colour on the panel's paper. */
  brandInk: string;
  /** A hint of the brand's colour, for surfaces under ordinary text. */
  brandSoft: string;
}

const white: Rgb = [255, 255, 255];
const black: Rgb = [0, 0, 0];
const papers = { light: white, dark: [23, 25, 29] as Rgb };
/** WCAG 2.2 AA. */
const textContrast = 4.5;
/** Enough to see where a coloured surface ends; what it means is written on it. */
const edgeContrast = 1.4;

export function paletteOf(colour: Rgb, scheme: 'light' | 'dark'): Palette {
  const paper = papers[scheme];
  // Away from the paper: darker on white, lighter on black.
  const away = scheme === 'light' ? black : white;
  const brand = adjusted(
    colour,
    away,
    (candidate) => contrast(candidate, paper) >= edgeContrast && readable(candidate),
  );
  const soft = mix(paper, brand, scheme === 'light' ? 0.07 : 0.16);
  // On the soft surface, which is a little nearer to it than the paper.
  const ink = adjusted(colour, away, (candidate) => contrast(candidate, soft) >= textContrast);
  return {
    brand: css(brand),
    onBrand: contrast(brand, white) >= textContrast ? '#fff' : '#101114',
    brandInk: css(ink),
    brandSoft: css(soft),
  };
}

const readable = (colour: Rgb) =>
  contrast(colour, white) >= textContrast || contrast(colour, [16, 17, 20]) >= textContrast;

/** The nearest mixture of two colours that will do. */
function adjusted(colour: Rgb, towards: Rgb, isEnough: (candidate: Rgb) => boolean): Rgb {
  for (let share = 0; share < 1; share += 0.04) {
    const candidate = mix(colour, towards, share);
    if (isEnough(candidate)) return candidate;
  }
  return towards;
}

export function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const part = (index: 0 | 1 | 2) => Math.round(a[index] + (b[index] - a[index]) * share);
  return [part(0), part(1), part(2)];
}

/** The contrast ratio of WCAG, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: Rgb): number {
  const [red, green, blue] = colour.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const css = (colour: Rgb) => `#${colour.map((value) => value.toString(16).padStart(2, '0')).join('')}`;

"""A window for a session: it takes the keys, and shows the pictures and numbers."""

import os

import numpy as np

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
import pygame  # noqa: E402

from WorldModels.playing.session import FPS, Session  # noqa: E402

NAMES = {
    pygame.K_LEFT: "left",
    pygame.K_RIGHT: "right",
    pygame.K_UP: "up",
    pygame.K_DOWN: "down",
    pygame.K_SPACE: "space",
    pygame.K_ESCAPE: "escape",
}
BACKGROUND, TEXT, DIM, BRIGHT = (24, 26, 30), (235, 235, 235), (150, 155, 165), (255, 196, 80)
SMALL, MIDDLE, LARGE = 20, 22, 40  # font sizes
MARGIN, LABEL, PANEL = 12, 22, 156  # pixels: around everything, above a picture, below the pictures
WIDTH, HEIGHT = 640, 480  # pixels that the pictures are first enlarged to fit
NARROWEST = 640  # least width of a new window, in pixels
GAP = " " * 5  # between the facts of a line


class Window:
    """A window that enlarges a session's pictures by an integer factor, so that pixels stay square.

    Args:
        world: the world's name.
        pictures: the first ones; they determine the window's initial size.

    Raises:
        ValueError: there is no screen.
    """

    def __init__(self, world: str, pictures: dict[str, np.ndarray]):
        need_screen()
        pygame.font.init()
        self.world = world
        self.fonts = {size: pygame.font.Font(None, size) for size in (SMALL, MIDDLE, LARGE)}
        width, height = _extent(pictures)
        scale = max(1, min(WIDTH // width, HEIGHT // height))
        size = (
            max(NARROWEST, scale * width + (len(pictures) + 1) * MARGIN),
            scale * height + 2 * MARGIN + LABEL + PANEL,
        )
        self.surface = pygame.display.set_mode(size, pygame.RESIZABLE)
        pygame.display.set_caption(f"WorldModels: {world}")
        self.clock = pygame.time.Clock()

    def hear(self, session: Session) -> None:
        """Pass all key events since the last call on to the session."""
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                session.quit()
            elif event.type == pygame.KEYDOWN:
                session.press(key_name(event))
            elif event.type == pygame.KEYUP:
                session.release(key_name(event))
            elif event.type == pygame.WINDOWFOCUSLOST:
                session.release_all()

    def show(self, session: Session) -> None:
        """Draw the session as it is now."""
        self.surface = pygame.display.get_surface()  # resizing the window replaces it
        self.surface.fill(BACKGROUND)
        self._draw_pictures(session.pictures)
        self._draw_panel(session)
        pygame.display.flip()

    def wait(self) -> None:
        """Wait for the next tick."""
        self.clock.tick(FPS)

    def close(self) -> None:
        """Close the window."""
        pygame.display.quit()

    def _draw_pictures(self, pictures: dict[str, np.ndarray]) -> None:
        room = (
            self.surface.get_width() - (len(pictures) + 1) * MARGIN,
            self.surface.get_height() - PANEL - LABEL - 2 * MARGIN,
        )
        width, height = _extent(pictures)
        scale = min(room[0] / width, room[1] / height)
        # The pictures shrink only if the window is too small for them.
        scale = max(1, int(scale)) if scale > 0.99 else max(scale, 0.05)
        x = (self.surface.get_width() - int(scale * width) - (len(pictures) - 1) * MARGIN) // 2
        for name, picture in pictures.items():
            large = _scaled(picture, scale)
            if len(pictures) > 1:
                self._write(name, MIDDLE, DIM, (x, MARGIN))
            self.surface.blit(large, (x, MARGIN + LABEL))
            x += large.get_width() + MARGIN

    def _draw_panel(self, session: Session) -> None:
        width, top = self.surface.get_width(), self.surface.get_height() - PANEL
        x = self._write(f"return {session.return_:.1f}", LARGE, TEXT, (MARGIN, top))
        self._write(f"step {session.steps}", LARGE, TEXT, (max(x + 2 * MARGIN, MARGIN + 230), top))
        state = "ended" if session.ended else "paused" if session.paused else ""
        self._write(state, LARGE, BRIGHT, (width - MARGIN - self.fonts[LARGE].size(state)[0], top))
        facts, keys = _facts(self.world, session), _keys(session)
        words = (session.message or session.ended).split()
        top += LARGE
        for parts, size, colour, gap in (
            (facts, MIDDLE, TEXT, GAP),
            (keys, SMALL, DIM, GAP),
            (words, SMALL, BRIGHT, " "),
        ):
            for line in self._wrapped(parts, size, gap):
                self._write(line, size, colour, (MARGIN, top))
                top += size - 1

    def _write(self, text: str, size: int, colour, place: tuple[int, int]) -> int:
        """Write a line; return where it ends, in pixels from the left."""
        words = self.fonts[size].render(text, True, colour)
        self.surface.blit(words, place)
        return place[0] + words.get_width()

    def _wrapped(self, parts: list[str], size: int, gap: str) -> list[str]:
        """Join the parts with gaps into lines that fit the window's width."""
        room, lines = self.surface.get_width() - 2 * MARGIN, []
        for part in parts:
            longer = f"{lines[-1]}{gap}{part}" if lines else part
            if lines and self.fonts[size].size(longer)[0] <= room:
                lines[-1] = longer
            else:
                lines.append(part)
        return lines


def _facts(world: str, session: Session) -> list[str]:
    """What is shown about the state of a session."""
    who = session.driver.name if session.trained else session.hands.name
    facts = [world, f"episode {session.episode}", f"driving: {who}"]
    if session.temperature is not None:
        facts.append(f"temperature {session.temperature:.2f}")
    return facts


def _keys(session: Session) -> list[str]:
    """What each key does in a session."""
    dream = [] if session.temperature is None else ["[ ] temperature"]
    keys = ["arrows drive", "m hand over", "space pause", ". one step"]
    return keys + dream + ["r restart", "n next", "g save GIF", "Esc quit"]


def _scaled(picture: np.ndarray, scale: float) -> pygame.Surface:
    """A picture (H, W, 3) uint8, scaled without smoothing."""
    small = pygame.image.frombuffer(np.ascontiguousarray(picture), picture.shape[1::-1], "RGB")
    size = int(scale * small.get_width()), int(scale * small.get_height())
    return pygame.transform.scale(small, size)


def _extent(pictures: dict[str, np.ndarray]) -> tuple[int, int]:
    """Width and height of pictures side by side, in their own pixels."""
    return sum(picture.shape[1] for picture in pictures.values()), max(
        picture.shape[0] for picture in pictures.values()
    )


def key_name(event) -> str:
    """The name of a key for a session.

    A key that types a character is named after it, so that brackets work on any keyboard.
    """
    typed = getattr(event, "unicode", "")
    return NAMES.get(event.key) or (
        typed
        if typed and not typed.isspace() and typed.isprintable()
        else pygame.key.name(event.key)
    )


def need_screen() -> None:
    """Open the connection to a screen.

    Raises:
        ValueError: there is none, or SDL fell back to an invisible one without being told to.
    """
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
    except pygame.error as error:
        driver = str(error)
    if not pygame.display.get_init() or (
        driver in ("dummy", "offscreen") and not os.environ.get("SDL_VIDEODRIVER")
    ):
        raise ValueError(
            f"display: expected a screen to open a window on, received none ({driver}); play on a "
            "machine with a screen, or through ssh -X, or set SDL_VIDEODRIVER=dummy to run without "
            "a window."
        )

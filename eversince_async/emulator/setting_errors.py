"""What keeps an emulator from being started."""


class SettingRefused(ValueError):
    """An emulator cannot be started as it was asked for; the text says what to do."""

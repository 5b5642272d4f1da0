"""The app's configuration: `pipeline.load` reads the files and gives a frozen `RuntimeConfig` (`model`)."""

"""placeholder"""


class ExactRenderer:
    def new_track(self, env):
        pass

    def draw(self, env):
        from gymnasium.envs.box2d import car_racing
        return car_racing.CarRacing._render(env, "state_pixels")

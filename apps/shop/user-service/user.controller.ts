import { Controller, Get, NotFoundException, Param, UseInterceptors } from '@nestjs/common';
import { ChaosInterceptor } from '../support/chaos.js';
import { INSTANCE } from '../support/instance.js';

interface User {
  id: string;
  name: string;
  /** Which instance answered. */
  servedBy: string;
}

const NAMES: Readonly<Record<string, string>> = { '1': 'Ada', '2': 'Grace', '3': 'Barbara', '4': 'Radia' };

@Controller('users')
@UseInterceptors(ChaosInterceptor)
export class UserController {
  @Get(':id')
  find(@Param('id') id: string): User {
    const name = NAMES[id];
    if (name === undefined) throw new NotFoundException(`There is no user ${id}`);
    return { id, name, servedBy: INSTANCE };
  }
}
